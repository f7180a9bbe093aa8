import { describe, expect, it } from "vitest";
import type { ContainerRow } from "../../src/core/docker";
import { parseFilter } from "../../src/views/containers/filter";
import { orderedIds } from "../../src/views/containers/order";

function row(changes: Partial<ContainerRow>): ContainerRow {
  return { Id: "0123456789abcdef", Names: ["/web-1"], Image: "nginx:1.27", ImageID: "", Command: "", Created: 0, Ports: [], Labels: {}, State: "running", Status: "Up", ...changes };
}
const holds = (text: string, changes: Partial<ContainerRow> = {}) => parseFilter(text).test(row(changes));

describe("filter", () => {
  it.each([
    ["", {}, true],
    ["web", {}, true],
    ["WEB", {}, true],
    ["db", {}, false],
    ["nginx:1.27", {}, true],
    ["0123", {}, true],
    ["state:running", {}, true],
    ["state:run", {}, false],
    ["state:exited,running", {}, true],
    ["-state:exited", {}, true],
    ["!state:running", {}, false],
    ["image:nginx", {}, true],
    ["image:*nginx*", {}, true],
    ["image:nginx*", {}, true],
    ["image:*7", {}, true],
    ["image:nginx:*", {}, true],
    ["image:ngin", {}, true],
    ["image:*nginx", {}, false],
    ["name:web*", {}, true],
    ["label:env", { Labels: { env: "prod" } }, true],
    ["label:env=prod", { Labels: { env: "prod" } }, true],
    ["label:env=pro", { Labels: { env: "prod" } }, false],
    ["label:env=*", { Labels: { env: "prod" } }, true],
    ["label:env=prod", { Labels: {} }, false],
    ['label:"a b=c d"', { Labels: { "a b": "c d" } }, true],
    ["port:8080", { Ports: [{ PrivatePort: 80, PublicPort: 8080, Type: "tcp" }] }, true],
    ["port:80", { Ports: [{ PrivatePort: 80, PublicPort: 8080, Type: "tcp" }] }, true],
    ["port:8", { Ports: [{ PrivatePort: 80, PublicPort: 8080, Type: "tcp" }] }, false],
    ["health:unhealthy", { Status: "Up 1 second (unhealthy)" }, true],
    ["health:healthy", { Status: "Up 1 second (unhealthy)" }, false],
    ["health:none", {}, true],
    ["web state:exited", {}, false],
    ["image:[", {}, false],
    ["state:", {}, true],
  ] as [string, Partial<ContainerRow>, boolean][])("%j on %j is %s", (text, changes, expected) => expect(holds(text, changes)).toBe(expected));

  it("names keys that do not exist and ignores them", () => {
    const filter = parseFilter("stat:running web");
    expect(filter.unknown).toEqual(["stat"]);
    expect(filter.test(row({}))).toBe(true);
  });
});

describe("order", () => {
  const rows = [row({ Id: "a", Names: ["/x10"], Created: 1, State: "exited" }), row({ Id: "b", Names: ["/x9"], Created: 2 }), row({ Id: "c", Names: ["/y"], Created: 3 })];
  const ids = (key: "name" | "created" | "state" | "cpu", down: boolean) => orderedIds(rows, parseFilter(""), { key, down }, (id) => id.charCodeAt(0));
  it("counts numbers in names as numbers", () => expect(ids("name", false)).toEqual(["b", "a", "c"]));
  it("turns round", () => expect(ids("created", true)).toEqual(["c", "b", "a"]));
  it("puts what runs before what ended", () => expect(ids("state", false)).toEqual(["b", "c", "a"]));
  it("goes by load", () => expect(ids("cpu", true)).toEqual(["c", "b", "a"]));
  it("is quick for 5,000 rows", () => {
    const many = Array.from({ length: 5000 }, (_, i) => row({ Id: String(i), Names: [`/n${i * 7919 % 5000}`] }));
    const start = performance.now();
    expect(orderedIds(many, parseFilter("image:*nginx* state:running"), { key: "name", down: false }, () => 0)).toHaveLength(5000);
    expect(performance.now() - start).toBeLessThan(400);
  });
});
