/** Every page: its address, its name, its place in the menus, the right it needs. Add one line for a new page. */
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import type { Key } from "../../core/i18n";
import { containers, images } from "../../core/live";
import type { Right } from "../../core/rights";
import { IconActivity, IconBox, IconDisk, IconHome, IconNetwork, IconPhoto } from "../../ui/icons";
import { ContainersPage } from "../containers/ContainersPage";

export interface PageEntry {
  to: string;
  label: Key;
  icon: ComponentType<{ size?: number }>;
  /** What is shown; lazy but for the lists that are looked at most. */
  page: ComponentType | LazyExoticComponent<ComponentType>;
  /** How many there are, shown beside the name. */
  count?: () => number;
  /** Shown in the bar at the foot of a phone. */
  phone?: boolean;
  /** Who has not this right does not see the entry. */
  right?: Right;
}

export const PAGES: readonly PageEntry[] = [
  { to: "/overview", label: "nav.overview", icon: IconHome, phone: true, page: lazy(() => import("../overview/OverviewPage").then((module) => ({ default: module.OverviewPage }))) },
  { to: "/containers", label: "nav.containers", icon: IconBox, phone: true, count: () => containers.size, page: ContainersPage },
  { to: "/images", label: "nav.images", icon: IconPhoto, phone: true, count: () => images.size, page: lazy(() => import("../images/ImagesPage").then((module) => ({ default: module.ImagesPage }))) },
  { to: "/volumes", label: "nav.volumes", icon: IconDisk, phone: true, page: lazy(() => import("../volumes/VolumesPage").then((module) => ({ default: module.VolumesPage }))) },
  { to: "/networks", label: "nav.networks", icon: IconNetwork, page: lazy(() => import("../networks/NetworksPage").then((module) => ({ default: module.NetworksPage }))) },
  { to: "/events", label: "nav.events", icon: IconActivity, page: lazy(() => import("../events/EventsPage").then((module) => ({ default: module.EventsPage }))) },
];
