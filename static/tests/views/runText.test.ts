import { describe, expect, it } from "vitest";
import { bodyOver, type Definition, differences, freePort, specOf } from "../../src/views/containers/fromInspect";
import { dockerRun, EMPTY, type RunSpec } from "../../src/views/containers/runSpec";
import { composeOf, parseRun } from "../../src/views/containers/runText";

const FULL: RunSpec = {
  ...EMPTY, image: "nginx:1.27", name: "web", command: "sh -c 'echo $HOME; sleep 1'", env: [{ key: "A", value: "two words" }],
  ports: [{ host: "127.0.0.1:8080", container: "80", protocol: "tcp" }, { host: "", container: "53", protocol: "udp" }],
  volumes: [{ source: "data", target: "/data", readOnly: true }, { source: "", target: "/cache", readOnly: false }],
  memory: "512m", cpus: "1.5", pids: "50", restart: "on-failure", retries: "3", hostname: "h", user: "1000:1000", workdir: "/app", network: "back", tty: true,
};

describe("a docker run line", () => {
  it("is read back into the same form", () => expect(parseRun(dockerRun(FULL))).toEqual({ spec: FULL, unknown: [] }));
  it("may be written in every way of the CLI", () => {
    const found = parseRun("sudo docker run -itd --rm -p8080:80 --memory=1g -e=A=1 --name x --cap-add NET_ADMIN --privileged busybox:1 echo hi");
    expect(found?.spec).toMatchObject({ tty: true, autoRemove: true, memory: "1g", name: "x", image: "busybox:1", command: "echo hi", env: [{ key: "A", value: "1" }] });
    expect(found?.spec.ports).toEqual([{ host: "8080", container: "80", protocol: "tcp" }]);
    expect(found?.unknown).toEqual(["--cap-add NET_ADMIN", "--privileged"]);
  });
  it.each(["", "ls -l", "docker ps", "docker run", "docker run -d --name x"])("%j is none", (text) => expect(parseRun(text)).toBeNull());
});

describe("a Compose file", () => {
  it("says what the form says, and escapes what Compose would replace", () => {
    expect(composeOf(FULL)).toBe(`services:
  web:
    image: "nginx:1.27"
    container_name: web
    command: ["sh", "-c", "echo $$HOME; sleep 1"]
    hostname: h
    user: "1000:1000"
    working_dir: "/app"
    tty: true
    stdin_open: true
    restart: on-failure:3
    ports:
      - "127.0.0.1:8080:80"
      - "53/udp"
    environment:
      - "A=two words"
    volumes:
      - data:/data:ro
      - "/cache"
    mem_limit: "512m"
    cpus: "1.5"
    pids_limit: 50
    networks:
      - back
volumes:
  data: {}
networks:
  back:
    external: true
`.replace('image: "nginx:1.27"', "image: nginx:1.27"));
  });
});

const inspected = {
  Id: "0123456789abcdef", Name: "/web",
  Config: { Image: "nginx", Env: ["PATH=/bin", "A=1"], Cmd: ["nginx", "-g", "x y"], Hostname: "0123456789ab", User: "", WorkingDir: "", Tty: false, Labels: { a: "b" } },
  HostConfig: { NetworkMode: "bridge", Memory: 64 * 1024 ** 2, NanoCpus: 5e8, PidsLimit: null, RestartPolicy: { Name: "", MaximumRetryCount: 0 }, AutoRemove: false, CapAdd: ["NET_ADMIN"], PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] } },
  NetworkSettings: { Ports: {}, Networks: { bridge: { IPAddress: "1" }, back: { Aliases: ["db"] } } },
  Mounts: [{ Type: "volume", Name: "data", Source: "/x", Destination: "/data", RW: false }],
} as unknown as Definition;

describe("a container that exists", () => {
  const spec = specOf(inspected, { Config: { Env: ["PATH=/bin"], Cmd: ["nginx"] } });
  it("is what the form would hold, without what the image says", () => {
    expect(spec).toMatchObject({ name: "web", env: [{ key: "A", value: "1" }], command: "nginx -g 'x y'", memory: "64m", cpus: "0.5", hostname: "", restart: "no" });
    expect(spec.volumes).toEqual([{ source: "data", target: "/data", readOnly: true }]);
    expect(spec.ports).toEqual([{ host: "127.0.0.1:8080", container: "80", protocol: "tcp" }]);
  });
  it("keeps what the form does not know, and loses a limit that was emptied", () => {
    const body = bodyOver(inspected, { ...spec, memory: "", cpus: "2" });
    expect(body).toMatchObject({ Labels: { a: "b" }, HostConfig: { CapAdd: ["NET_ADMIN"], Memory: 0, NanoCpus: 2e9, Binds: ["data:/data:ro"] } });
    expect(body).not.toHaveProperty("Hostname");
    expect(body.NetworkingConfig).toEqual({ EndpointsConfig: { bridge: { Aliases: null, IPAMConfig: null }, back: { Aliases: ["db"], IPAMConfig: null } } });
  });
  it("differs field by field", () => {
    expect(differences(spec, spec)).toEqual([]);
    expect(differences(spec, { ...spec, memory: "128m", env: [] })).toEqual([{ field: "env", before: "A=1", after: "" }, { field: "memory", before: "64m", after: "128m" }]);
  });
});

it("a free port is the wanted one or the next above", () => {
  expect(freePort(80, new Set())).toBe(8080);
  expect(freePort(80, new Set([8080, 8081]))).toBe(8082);
  expect(freePort(5432, new Set([5432]))).toBe(5433);
});
