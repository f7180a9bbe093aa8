import { describe, expect, it } from "vitest";
import { createBody, dockerRun, EMPTY, fieldOf, parseEnv, parseHostPort, parseSize, problemsOf, type RunSpec } from "../../src/views/containers/runSpec";

const spec = (changes: Partial<RunSpec>): RunSpec => ({ ...EMPTY, image: "nginx", ...changes });

describe("dockerRun", () => {
  it("is a line for a plain container", () => expect(dockerRun(spec({}))).toBe("docker run -d \\\n  nginx"));

  it("quotes what a shell would take apart", () => {
    const text = dockerRun(spec({
      name: "web", env: [{ key: "A", value: "it's $HOME" }, { key: "B", value: "" }], command: `sh -c 'echo "$A"; ls *'`,
      volumes: [{ source: "/my data", target: "/data", readOnly: true }, { source: "", target: "/tmp/x", readOnly: false }],
      ports: [{ host: "127.0.0.1:8080", container: "80", protocol: "tcp" }, { host: "", container: "53", protocol: "udp" }],
      memory: "512m", cpus: "1.5", pids: "20", restart: "on-failure", retries: "3",
    }));
    expect(text.split(" \\\n  ")).toEqual([
      "docker run -d", "--name web", "-p 127.0.0.1:8080:80", "-p 53/udp", "-v '/my data:/data:ro'", "-v /tmp/x",
      `-e 'A=it'\\''s $HOME'`, "-e B=", "--memory 512m", "--cpus 1.5", "--pids-limit 20", "--restart on-failure:3",
      `nginx sh -c 'echo "$A"; ls *'`,
    ]);
  });

  it("has -it before the rest, and --rm", () => expect(dockerRun(spec({ tty: true, autoRemove: true }))).toBe("docker run -it \\\n  --rm \\\n  nginx"));
});

describe("createBody", () => {
  it("says the same to the API", () => {
    const body = createBody(spec({
      command: "sleep 5", env: [{ key: "A", value: "1" }, { key: "", value: "" }], memory: "64m", cpus: "0.5", pids: "9", restart: "always",
      ports: [{ host: "8080", container: "80", protocol: "tcp" }, { host: "8081", container: "80", protocol: "tcp" }],
      volumes: [{ source: "data", target: "/data", readOnly: false }, { source: "", target: "/anon", readOnly: true }],
    }));
    expect(body).toMatchObject({
      Image: "nginx", Cmd: ["sleep", "5"], Env: ["A=1"], ExposedPorts: { "80/tcp": {} },
      HostConfig: {
        Binds: ["data:/data"], Mounts: [{ Type: "volume", Target: "/anon", ReadOnly: true }],
        PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }, { HostIp: "", HostPort: "8081" }] },
        Memory: 64 * 1024 ** 2, NanoCpus: 5e8, PidsLimit: 9, RestartPolicy: { Name: "always", MaximumRetryCount: 0 },
      },
    });
  });
  it("leaves the image's own command alone", () => expect(createBody(spec({}))).not.toHaveProperty("Cmd"));
});

describe("problemsOf", () => {
  it("finds none in a good spec", () => expect(problemsOf(spec({ name: "a-1", image: "127.0.0.1:5000/team/app:1.2@sha256:" + "0".repeat(64), memory: "1.5g", cpus: ".5" }))).toEqual({}));
  it.each([
    [{ image: "" }, "image"], [{ image: "Bad Image" }, "image"], [{ image: "a:b:c" }, "image"], [{ name: "-x" }, "name"], [{ name: "a b" }, "name"], [{ command: "'open" }, "command"],
    [{ env: [{ key: "A=B", value: "" }] }, "env.0.key"], [{ env: [{ key: "", value: "x" }] }, "env.0.key"],
    [{ ports: [{ host: "99999", container: "80", protocol: "tcp" as const }] }, "ports.0.host"], [{ ports: [{ host: "", container: "0", protocol: "tcp" as const }] }, "ports.0.container"],
    [{ ports: [{ host: "80", container: "80", protocol: "tcp" as const }, { host: "80", container: "81", protocol: "tcp" as const }] }, "ports.1.host"],
    [{ volumes: [{ source: "data", target: "data", readOnly: false }] }, "volumes.0.target"], [{ volumes: [{ source: "../x", target: "/d", readOnly: false }] }, "volumes.0.source"],
    [{ memory: "lots" }, "memory"], [{ memory: "1m" }, "memory"], [{ cpus: "two" }, "cpus"], [{ cpus: "0" }, "cpus"], [{ pids: "0" }, "pids"], [{ workdir: "x" }, "workdir"],
    [{ autoRemove: true, restart: "always" as const }, "restart"],
  ] as [Partial<RunSpec>, string][])("%j is wrong at %s", (changes, field) => expect(Object.keys(problemsOf(spec(changes)))).toEqual([field]));
});

describe("small parsers", () => {
  it.each([["512m", 512 * 1024 ** 2], ["1.5GB", 1.5 * 1024 ** 3], ["100", 100], ["x", null], ["-1m", null]])("size %s", (text, value) => expect(parseSize(text)).toBe(value));
  it.each([["", { ip: "", port: "" }], ["80", { ip: "", port: "80" }], ["127.0.0.1:80", { ip: "127.0.0.1", port: "80" }], ["[::1]:80", { ip: "::1", port: "80" }], ["a:80", null], ["0", null]])("host port %j", (text, value) => expect(parseHostPort(text)).toEqual(value));
  it("env files", () => expect(parseEnv('A=1\n\n# no\nexport B="two words"\nC\nD=a=b\r\n  E=\'x\'')).toEqual([
    { key: "A", value: "1" }, { key: "B", value: "two words" }, { key: "C", value: "" }, { key: "D", value: "a=b" }, { key: "E", value: "x" },
  ]));
});

describe("fieldOf", () => {
  const two = spec({ ports: [{ host: "80", container: "80", protocol: "tcp" }, { host: "8080", container: "81", protocol: "tcp" }] });
  it.each([
    ['Conflict. The container name "/web" is already in use by container "0123".', "name"],
    ["driver failed programming external connectivity: Bind for 0.0.0.0:8080 failed: port is already allocated", "ports.1.host"],
    ["No such image: nginx:latest", "image"], ["pull access denied for x, repository does not exist", "image"],
    ['exec: "nope": executable file not found in $PATH', "command"], ["something else", null],
  ])("%s", (message, field) => expect(fieldOf(message, null, two)).toBe(field));
});
