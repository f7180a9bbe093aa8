/** The inspect document as it is, searchable. */
import { ActionIcon, Alert, Skeleton, TextInput } from "@mantine/core";
import { type KeyboardEvent, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { t } from "../../core/i18n";
import { CopyButton } from "../../ui/copy";
import { IconChevronDown, IconChevronUp, IconSearch } from "../../ui/icons";
import { makeMatcher, type Matcher } from "../logs/search";
import type { TabProps } from "./ContainerPage";
import { useDetail } from "./useDetail";

export function InspectTab({ row }: TabProps) {
  const { detail, error } = useDetail(row);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const body = useRef<HTMLDivElement>(null);
  const json = useMemo(() => (detail ? JSON.stringify(detail, null, 2) : ""), [detail]);
  const lines = useMemo(() => json.split("\n"), [json]);
  const matcher = useMemo(() => makeMatcher({ text, regex: false }), [text]);
  const hits = useMemo(() => (matcher ? lines.flatMap((line, i) => (matcher.test(line) ? [i] : [])) : []), [lines, matcher]);
  const current = hits.length ? hits[((at % hits.length) + hits.length) % hits.length] : undefined;
  useEffect(() => {
    if (current !== undefined) body.current?.children[current]?.scrollIntoView({ block: "center" });
  }, [current]);
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Enter") setAt((before) => before + (event.shiftKey ? -1 : 1));
    else if (event.key === "Escape") setText("");
  };
  if (error && !detail) return <Alert color="red" title={error} />;
  if (!detail) return <Skeleton height={240} role="status" aria-label={t("loading")} />;
  return (
    <>
      <div className="tools">
        <TextInput className="grow" size="xs" value={text} onChange={(e) => { setText(e.currentTarget.value); setAt(0); }} onKeyDown={keys} placeholder={t("inspect.search")} aria-label={t("inspect.search")} leftSection={<IconSearch size={15} />} data-testid="inspect-search" />
        {text && (
          <>
            <span className="count tabular" role="status">{t("logs.hits", { at: hits.length ? ((at % hits.length) + hits.length) % hits.length + 1 : 0, n: hits.length })}</span>
            <ActionIcon variant="subtle" color="gray" aria-label={t("logs.previous")} disabled={!hits.length} onClick={() => setAt(at - 1)}><IconChevronUp size={16} /></ActionIcon>
            <ActionIcon variant="subtle" color="gray" aria-label={t("logs.next")} disabled={!hits.length} onClick={() => setAt(at + 1)}><IconChevronDown size={16} /></ActionIcon>
          </>
        )}
        <div className="spread"><CopyButton text={json} /></div>
      </div>
      <div className="json mono" ref={body} tabIndex={0} role="region" aria-label={t("tab.inspect")} data-testid="inspect">
        {lines.map((line, i) => (
          <div key={i} className="json-line" data-current={i === current || undefined}><i aria-hidden="true">{i + 1}</i><span>{paint(line, matcher)}</span></div>
        ))}
      </div>
    </>
  );
}

/** Keys, strings and the rest in colours; hits of the search marked. */
function paint(line: string, matcher: Matcher | null): ReactNode {
  const match = /^(\s*)("(?:[^"\\]|\\.)*")(: )?(.*)$/.exec(line);
  if (!match) return marked(line, matcher);
  const [, indent = "", word = "", colon, rest = ""] = match;
  if (!colon) return <>{indent}<span className="json-string">{marked(word, matcher)}</span>{rest}</>;
  const tone = rest.startsWith('"') ? "json-string" : /^[\d-]|^(true|false|null)/.test(rest) ? "json-other" : undefined;
  return <>{indent}<span className="json-key">{marked(word, matcher)}</span>{colon}<span className={tone}>{marked(rest, matcher)}</span></>;
}

function marked(text: string, matcher: Matcher | null): ReactNode {
  const ranges = matcher?.ranges(text) ?? [];
  if (!ranges.length) return text;
  const out: ReactNode[] = [];
  let at = 0;
  for (const [from, to] of ranges) {
    out.push(text.slice(at, from), <mark key={from}>{text.slice(from, to)}</mark>);
    at = to;
  }
  return [...out, text.slice(at)];
}
