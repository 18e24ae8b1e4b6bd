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
    /// Types into the filter.
    Filter(String),
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
            Act::Editor(open) => s.editor_open = open,
            Act::Terminal(open) => s.terminal_open = open,
            Act::Feed(open) => s.feed_open = open,
            Act::Keys(open) => s.keys_open = open,
            Act::Pick(p) => s.picked = p,
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
                } else {
                    s.editor_open = false;
                }
            }
        }
        Rc::new(s)
    }
}

impl Ui {
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
    fn open_drawers_are_remembered() {
        let s = Ui { terminal_open: true, theme: Theme::Dark, ..Ui::default() };
        assert_eq!(Ui::recall(&s.remember()), s);
        assert_eq!(Ui::recall("rubbish"), Ui::default());
    }
}
