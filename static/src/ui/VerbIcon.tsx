import type { Verb } from "../views/containers/actions";
import { IconBolt, IconPause, IconPlay, IconRefresh, IconStop, IconTrash } from "./icons";

export function VerbIcon({ verb, size = 16 }: { verb: Verb; size?: number }) {
  switch (verb) {
    case "start":
    case "unpause":
      return <IconPlay size={size} />;
    case "stop":
      return <IconStop size={size} />;
    case "restart":
      return <IconRefresh size={size} />;
    case "pause":
      return <IconPause size={size} />;
    case "kill":
      return <IconBolt size={size} />;
    case "remove":
      return <IconTrash size={size} />;
  }
}
