//! The page's own state: what is open, picked, typed. A pure reducer.

use std::rc::Rc;

use yew::Reducible;

/// What is picked in the tank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// A node, by number.
    Node(u32),
    /// A pod, by uid.
    Pod(String),
    /// A part: name and machine.
    Part(String, u32),
    /// A workload, by number.
    Workload(u32),
}

impl Pick {
    /// A text that no other thing has.
    pub fn key(&self) -> String {
        match self {
            Pick::Node(id) => format!("n{id}"),
            Pick::Pod(uid) => format!("p{uid}"),
            Pick::Part(name, machine) => format!("c{name}@{machine}"),
            Pick::Workload(id) => format!("w{id}"),
        }
    }
}

/// The inspector's tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// What it is and does, and what can be done.
    #[default]
    Summary,
    /// Why it is so.
    Why,
    /// Its Events.
    Events,
    /// A container's log.
    Logs,
    /// The object.
    Yaml,
}

impl Tab {
    /// As `data-testid`s name it.
    pub fn id(self) -> &'static str {
        match self {
            Tab::Summary => "summary",
            Tab::Why => "why",
            Tab::Events => "events",
            Tab::Logs => "logs",
            Tab::Yaml => "yaml",
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Tab::Summary => "Summary",
            Tab::Why => "Why",
            Tab::Events => "Events",
            Tab::Logs => "Logs",
            Tab::Yaml => "YAML",
        }
    }
}

/// Which colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What the page shows beside the tank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ui {
    /// The YAML drawer.
    pub editor_open: bool,
    /// The terminal drawer.
    pub terminal_open: bool,
    /// The event feed.
    pub feed_open: bool,
    /// The list of keys.
    pub keys_open: bool,
    /// What the inspector shows; closed when nothing.
    pub picked: Option<Pick>,
    /// The inspector's tab.
    pub tab: Tab,
    /// Whether the window is so narrow that drawers are sheets, of which one is open at a time.
    pub narrow: bool,
    /// The event feed's own filter.
    pub feed_filter: String,
    /// Whether the event feed shows warnings alone.
    pub warnings_only: bool,
    /// The filter's text.
    pub filter: String,
    /// Which colours.
    pub theme: Theme,
}

/// What the person did to the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Opens or closes the YAML drawer.
    Editor(bool),
    /// Opens or closes the terminal.
    Terminal(bool),
    /// Opens or closes the event feed.
    Feed(bool),
    /// Opens or closes the list of keys.
    Keys(bool),
    /// Picks something, or nothing.
    Pick(Option<Pick>),
    /// Opens a tab of the inspector.
    Tab(Tab),
    /// The window got narrow, or wide.
    Narrow(bool),
    /// Types into the filter.
    Filter(String),
    /// Types into the event feed's filter.
    FeedFilter(String),
    /// Shows warnings alone, or all events.
    WarningsOnly(bool),
    /// Chooses colours.
    Theme(Theme),
    /// Closes what was opened last: Escape.
    Close,
}

impl Reducible for Ui {
    type Action = Act;

    fn reduce(self: Rc<Self>, act: Act) -> Rc<Self> {
        let mut s = (*self).clone();
        match act {
            Act::Editor(open) => {
                s.make_way(open);
                s.editor_open = open;
            }
            Act::Terminal(open) => {
                s.make_way(open);
                s.terminal_open = open;
            }
            Act::Feed(open) => {
                s.make_way(open);
                s.feed_open = open;
            }
            Act::Keys(open) => s.keys_open = open,
            Act::Pick(p) => {
                // A log is read from pod to pod; anything else begins with what the thing is.
                let pods = matches!((&s.picked, &p), (Some(Pick::Pod(_)), Some(Pick::Pod(_))));
                if s.picked != p && !pods {
                    s.tab = Tab::Summary;
                }
                s.make_way(p.is_some());
                s.picked = p;
            }
            Act::Tab(t) => s.tab = t,
            Act::Narrow(narrow) => s.narrow = narrow,
            Act::FeedFilter(f) => s.feed_filter = f,
            Act::WarningsOnly(only) => s.warnings_only = only,
            Act::Filter(f) => s.filter = f,
            Act::Theme(t) => s.theme = t,
            Act::Close => {
                if s.keys_open {
                    s.keys_open = false;
                } else if s.picked.is_some() {
                    s.picked = None;
                } else if !s.filter.is_empty() {
                    s.filter.clear();
                } else if s.feed_open {
                    s.feed_open = false;
                } else if s.editor_open {
                    s.editor_open = false;
                } else {
                    s.terminal_open = false;
                }
            }
        }
        Rc::new(s)
    }
}

impl Ui {
    /// A sheet comes up: where there is room for one alone, the others go.
    fn make_way(&mut self, opens: bool) {
        if self.narrow && opens {
            (self.editor_open, self.terminal_open, self.feed_open, self.picked) = (false, false, false, None);
        }
    }

    /// What is remembered until the next visit, as text.
    pub fn remember(&self) -> String {
        let theme = match self.theme {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        format!("{} {} {} {theme}", self.editor_open, self.terminal_open, self.feed_open)
    }

    /// What was remembered; the default for anything else.
    pub fn recall(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut flag = || words.next() == Some("true");
        let (editor_open, terminal_open, feed_open) = (flag(), flag(), flag());
        let theme = match words.next() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        };
        Ui { editor_open, terminal_open, feed_open, theme, ..Ui::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_closes_one_thing_at_a_time() {
        let s = Rc::new(Ui { keys_open: true, picked: Some(Pick::Node(1)), editor_open: true, ..Ui::default() });
        let s = s.reduce(Act::Close);
        assert!(!s.keys_open && s.picked.is_some());
        let s = s.reduce(Act::Close);
        assert!(s.picked.is_none() && s.editor_open);
        let s = s.reduce(Act::Close);
        assert!(!s.editor_open);
    }

    #[test]
    fn on_a_phone_one_sheet_is_open_at_a_time() {
        let s = Rc::new(Ui { terminal_open: true, ..Ui::default() }).reduce(Act::Narrow(true));
        let s = s.reduce(Act::Editor(true));
        assert!(s.editor_open && !s.terminal_open);
        let s = s.reduce(Act::Pick(Some(Pick::Node(2))));
        assert!(!s.editor_open && s.picked.is_some());
        let s = s.reduce(Act::Feed(false));
        assert!(s.picked.is_some(), "closing something closes nothing else");
    }

    #[test]
    fn a_tab_stays_open_from_pod_to_pod() {
        let pod = |uid: &str| Act::Pick(Some(Pick::Pod(uid.into())));
        let s = Rc::new(Ui::default()).reduce(pod("a")).reduce(Act::Tab(Tab::Logs)).reduce(pod("b"));
        assert_eq!(s.tab, Tab::Logs);
        assert_eq!(s.reduce(Act::Pick(Some(Pick::Node(1)))).tab, Tab::Summary);
    }

    #[test]
    fn open_drawers_are_remembered() {
        let s = Ui { terminal_open: true, theme: Theme::Dark, ..Ui::default() };
        assert_eq!(Ui::recall(&s.remember()), s);
        assert_eq!(Ui::recall("rubbish"), Ui::default());
    }
}
