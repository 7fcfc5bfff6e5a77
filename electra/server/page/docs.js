// Renders openapi.json. Loads nothing from other sites.

function element(name, content = "", className = "") {
  const made = document.createElement(name);
  made.append(...[content].flat());
  if (className) made.className = className;
  return made;
}

function resolve(schema, all) {
  const name = schema?.$ref?.split("/").at(-1);
  return name ? all[name] : schema;
}

function kindOf(schema, all) {
  if (schema.anyOf) return [...new Set(schema.anyOf.map((each) => kindOf(each, all)))].join(" or ");
  if (schema.enum || schema.const) return (schema.enum ?? [schema.const]).map((each) => JSON.stringify(each)).join(" or ");
  if (schema.type === "array") return `list of (${kindOf(resolve(schema.items, all), all)})`;
  return schema.title && schema.properties ? schema.title : schema.type ?? "anything";
}

function table(schema, all) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, given]) => {
    const field = resolve(given, all);
    const note = [required.has(name) ? "required" : "", field.description ?? ""].filter(Boolean).join(": ");
    return element("tr", [element("td", element("code", name)), element("td", kindOf(field, all)), element("td", note)]);
  });
  return element("table", rows);
}

function example(method, path, type, schema) {
  const address = `${location.origin}${path}`;
  if (method === "get") return `curl ${address}`;
  if (!type.endsWith("json")) return `curl ${address} --data-urlencode 'text=The chef ate the meel.' -d language=auto`;
  const name = "input" in schema.properties ? "input" : "inputs";
  return `curl ${address} -H 'content-type: application/json' -d '{"${name}": "The chef ate the meel."}'`;
}

function card(path, method, route, all) {
  const [type, content] = Object.entries(route.requestBody?.content ?? {})[0] ?? ["", {}];
  const schema = resolve(content.schema, all);
  const parts = [element("h2", element("code", `${method.toUpperCase()} ${path}`)), element("p", route.description ?? "")];
  if (schema) parts.push(element("p", `Body, ${type}:`, "quiet"), table(schema, all));
  const answer = resolve(route.responses["200"]?.content?.["application/json"]?.schema, all);
  if (answer?.properties) parts.push(element("p", "Answer:", "quiet"), table(answer, all));
  parts.push(element("pre", example(method, path, type, schema)));
  return element("section", parts, "card");
}

const { paths, components } = await (await fetch("openapi.json")).json();
const all = components?.schemas ?? {};
document.getElementById("routes").replaceChildren(
  ...Object.entries(paths).flatMap(([path, routes]) =>
    Object.entries(routes).map(([method, route]) => card(path, method, route, all))),
);
