import { describe, expect, it } from "vitest";
import { exitCodeOf, healthOf, nameOf, portLink, publishedPorts, tagsOf } from "../../src/core/docker";
import { imagePath, isLocal, withTag } from "../../src/core/imageRef";

describe("rows of the list", () => {
  it("have a name without its slash, else the short id", () => {
    expect(nameOf({ Id: "abc", Names: ["/web"] })).toBe("web");
    expect(nameOf({ Id: "0123456789abcdef", Names: null })).toBe("0123456789ab");
  });

  it.each([
    ["Up 3 minutes (healthy)", "healthy"], ["Up 3 minutes (unhealthy)", "unhealthy"], ["Up 1 second (health: starting)", "starting"], ["Up 2 hours", null],
  ])("%s is %s", (Status, health) => expect(healthOf({ Status })).toBe(health));

  it("know their exit code", () => {
    expect(exitCodeOf({ State: "exited", Status: "Exited (137) 2 hours ago" })).toBe(137);
    expect(exitCodeOf({ State: "running", Status: "Up 2 hours" })).toBeNull();
  });
});

describe("ports", () => {
  const both = [
    { IP: "::", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }, { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
    { PrivatePort: 443, Type: "tcp" }, { IP: "127.0.0.1", PrivatePort: 53, PublicPort: 5353, Type: "udp" },
  ];
  it("are joined over IPv4 and IPv6, unpublished ones left out", () => expect(publishedPorts(both).map((port) => [port.PublicPort, port.IP])).toEqual([[5353, "127.0.0.1"], [8080, "0.0.0.0"]]));
  it("link to where the browser is, or to the bound address", () => {
    expect(portLink({ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }, "berth.lan")).toBe("http://berth.lan:8080");
    expect(portLink({ IP: "127.0.0.1", PrivatePort: 443, PublicPort: 8443, Type: "tcp" }, "berth.lan")).toBe("https://127.0.0.1:8443");
    expect(portLink({ IP: "0.0.0.0", PrivatePort: 53, PublicPort: 53, Type: "udp" }, "berth.lan")).toBeNull();
  });
});

describe("image names", () => {
  it.each([["nginx", "nginx:latest"], ["docker.io/library/nginx:1", "nginx:1"], ["host:5000/a/b", "host:5000/a/b:latest"], ["a@sha256:00", "a@sha256:00"]])("%s → %s", (name, full) => expect(withTag(name)).toBe(full));
  it("are found among the local ones", () => {
    const rows = [{ Id: "sha256:0123456789abcdef", RepoTags: ["nginx:latest"], RepoDigests: null, Created: 0, Size: 0, Labels: null }];
    expect(isLocal("nginx", rows)).toBe(true);
    expect(isLocal("0123456789ab", rows)).toBe(true);
    expect(isLocal("nginx:1", rows)).toBe(false);
  });
  it("cannot leave their place in a path", () => {
    expect(imagePath("a/b?x#y:1@z")).toBe("a/b%3Fx%23y:1@z");
    expect(() => imagePath("a/../../containers")).toThrow("not an image name");
  });
  it("of untagged images are none", () => expect(tagsOf({ Id: "", RepoTags: ["<none>:<none>"], RepoDigests: null, Created: 0, Size: 0, Labels: null })).toEqual([]));
});
