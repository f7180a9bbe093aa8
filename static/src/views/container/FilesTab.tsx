import { useMemo } from "react";
import { FileBrowser } from "../files/FileBrowser";
import { containerFiles } from "../files/source";
import type { TabProps } from "./ContainerPage";

export function FilesTab({ row }: TabProps) {
  const source = useMemo(() => containerFiles(row.Id), [row.Id]);
  return <FileBrowser source={source} version={row.State} />;
}
