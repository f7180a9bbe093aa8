/** The images of this host: live, with who uses them. */
import { ActionIcon, Badge, Button, Menu, Skeleton, Text, TextInput, Tooltip } from "@mantine/core";
import { useMemo, useRef, useState } from "react";
import { useNow } from "../../core/clock";
import { type ContainerRow, type ImageRow, nameOf, tagsOf } from "../../core/docker";
import { ago, bytes, dateTime, shortId } from "../../core/format";
import { t } from "../../core/i18n";
import { containers, images } from "../../core/live";
import { go, Link, setQuery, usePlace } from "../../core/router";
import { useReady, useRows } from "../../core/store";
import { copyText } from "../../ui/copy";
import { IconCopy, IconDots, IconFilter, IconPlay, IconPull, IconTrash } from "../../ui/icons";
import { useWindow } from "../../ui/virtual";
import { PullDialog } from "./PullDialog";
import { removeImage } from "./removeImage";
import "./images.css";

const ROW = 54;

export function ImagesPage() {
  const { query } = usePlace();
  const text = query.get("q") ?? "";
  const rows = useRows(images);
  const users = useUsers();
  const ready = useReady(images);
  const shown = useMemo(() => {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    const names = new Map(rows.map((row) => [row.Id, `${(row.RepoTags ?? []).join(" ")} ${row.Id}`.toLowerCase()]));
    return rows.filter((row) => wanted.every((word) => names.get(row.Id)?.includes(word))).sort((a, b) => b.Created - a.Created || (a.Id < b.Id ? -1 : 1));
  }, [rows, text]);
  const total = rows.reduce((sum, row) => sum + row.Size, 0);
  return (
    <div className="page images-page">
      <div className="page-head">
        <h1>{t("nav.images")}</h1>
        {ready && <Text size="sm" c="dimmed">{t("images.total", { n: rows.length, size: bytes(total) })}</Text>}
        <div className="spread">
          <Button leftSection={<IconPull size={16} />} onClick={() => setQuery({ pull: "new" }, { replace: false })} data-testid="pull-open">{t("pull.title")}</Button>
        </div>
      </div>
      <TextInput className="images-filter" value={text} onChange={(event) => setQuery({ q: event.currentTarget.value })} placeholder={t("images.filter")} aria-label={t("images.filter")} leftSection={<IconFilter size={16} />} data-testid="images-filter" />
      {!ready ? <div className="panel containers-loading" aria-label={t("loading")}>{[0, 1, 2].map((i) => <Skeleton key={i} height={18} width={`${80 - i * 12}%`} />)}</div>
        : shown.length === 0 ? <div className="panel empty"><h2>{rows.length ? t("images.nomatch") : t("images.none")}</h2></div>
          : <List rows={shown} users={users} />}
      {query.get("pull") && <PullDialog key={query.get("pull")} which={query.get("pull") ?? ""} image={query.get("image") ?? ""} />}
    </div>
  );
}

function useUsers(): Map<string, ContainerRow[]> {
  const rows = useRows(containers);
  return useMemo(() => {
    const users = new Map<string, ContainerRow[]>();
    for (const row of rows) users.set(row.ImageID, [...(users.get(row.ImageID) ?? []), row]);
    return users;
  }, [rows]);
}

function List({ rows, users }: { rows: readonly ImageRow[]; users: Map<string, ContainerRow[]> }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { start, end } = useWindow(scroller, rows.length, ROW);
  return (
    <div className="panel itable" role="table" aria-label={t("nav.images")} aria-rowcount={rows.length + 1} data-testid="images-table">
      <div className="ctable-scroll" ref={scroller} role="presentation">
      <div role="rowgroup" className="ctable-sticky">
        <div className="itable-grid itable-head" role="row" aria-rowindex={1}>
          <div role="columnheader">{t("images.tags")}</div><div role="columnheader">{t("images.id")}</div><div role="columnheader">{t("images.size")}</div>
          <div role="columnheader">{t("col.created")}</div><div role="columnheader">{t("images.usedby")}</div><div role="columnheader"><span className="visually-hidden">{t("col.actions")}</span></div>
        </div>
      </div>
        <div role="rowgroup" style={{ height: rows.length * ROW, position: "relative" }}>
          {rows.slice(start, end).map((row, i) => <Row key={row.Id} row={row} index={start + i} users={users.get(row.Id) ?? []} />)}
        </div>
      </div>
    </div>
  );
}

function Row({ row, index, users }: { row: ImageRow; index: number; users: readonly ContainerRow[] }) {
  const tags = tagsOf(row);
  const now = useNow();
  const name = tags[0] ?? shortId(row.Id);
  return (
    <div className="itable-grid itable-row" role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${index * ROW}px)`, height: ROW }} data-testid="image-row" data-image={name}>
      <div role="cell" className="itags">
        {tags.length ? <Tags tags={tags} /> : <Text span size="sm" c="dimmed" fs="italic">{t("images.untagged")}</Text>}
      </div>
      <div role="cell" className="mono dim i-id">{shortId(row.Id)}</div>
      <div role="cell" className="tabular">{bytes(row.Size)}</div>
      <div role="cell" className="dim i-created" title={dateTime(row.Created * 1000)}>{ago(row.Created * 1000, now)}</div>
      <div role="cell" className="i-used"><UsedBy users={users} /></div>
      <div role="cell" className="c-actions">
        <Tooltip label={t("images.run")}>
          <ActionIcon variant="subtle" color="gray" aria-label={t("palette.run", { image: name })} onClick={() => go(`/run?image=${encodeURIComponent(name)}`)} data-testid="image-run"><IconPlay size={16} /></ActionIcon>
        </Tooltip>
        <More row={row} tags={tags} name={name} />
      </div>
    </div>
  );
}

function Tags({ tags }: { tags: readonly string[] }) {
  const rest = tags.slice(2);
  return (
    <>
      {tags.slice(0, 2).map((tag) => {
        const at = tag.lastIndexOf(":");
        return <span key={tag} className="itag nowrap" title={tag}>{tag.slice(0, at)}<b>{tag.slice(at)}</b></span>;
      })}
      {rest.length > 0 && <Tooltip label={rest.join("  ")}><Badge variant="light" color="gray" size="sm">+{rest.length}</Badge></Tooltip>}
    </>
  );
}

function UsedBy({ users }: { users: readonly ContainerRow[] }) {
  if (!users.length) return <span className="dim">{t("images.unused")}</span>;
  const first = users[0];
  if (users.length === 1 && first) return <Link href={`/containers/${shortId(first.Id)}`} className="nowrap row-link">{nameOf(first)}</Link>;
  return (
    <Menu width={240}>
      <Menu.Target><button type="button" className="row-link plain">{t("images.users", { n: users.length })}</button></Menu.Target>
      <Menu.Dropdown mah={320} style={{ overflow: "auto" }}>
        {users.map((one) => <Menu.Item key={one.Id} onClick={() => go(`/containers/${shortId(one.Id)}`)}>{nameOf(one)}</Menu.Item>)}
      </Menu.Dropdown>
    </Menu>
  );
}

function More({ row, tags, name }: { row: ImageRow; tags: readonly string[]; name: string }) {
  const [opened, setOpened] = useState(false);
  return (
    <Menu width={260} opened={opened} onChange={setOpened}>
      <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`${t("more")} ${name}`} data-testid="image-more"><IconDots size={16} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => void copyText(row.Id)}>{t("images.copyid")}</Menu.Item>
        {tags[0] && <Menu.Item leftSection={<IconPull size={16} />} onClick={() => go(`/images?pull=new&image=${encodeURIComponent(tags[0] ?? "")}`)}>{t("images.again")}</Menu.Item>}
        <Menu.Divider />
        {tags.length > 1 && tags.map((tag) => (
          <Menu.Item key={tag} leftSection={<IconTrash size={16} />} onClick={() => void removeImage(tag, tag, false)}><span className="nowrap">{t("images.untag", { tag })}</span></Menu.Item>
        ))}
        <Menu.Item className="menu-danger" leftSection={<IconTrash size={16} />} onClick={() => void removeImage(tags.length === 1 ? (tags[0] ?? row.Id) : row.Id, name, tags.length > 1)} data-testid="image-remove">{t("images.remove")}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
