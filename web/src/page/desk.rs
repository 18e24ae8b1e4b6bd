//! What all views share: the model, the line to the worker, and the page's state.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gloo::file::ObjectUrl;
use podarium_core::observe::{Answer, Question};
use podarium_core::session::{Input, Session};
use yew::UseReducerDispatcher;

use super::link::Link;
use super::model::Model;
use super::ui::{Act, Ui};
use crate::protocol::ToWorker;

/// What a finished command said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The line as typed.
    pub line: String,
    /// What it printed, in order: whether to standard error.
    pub text: Vec<(bool, String)>,
    /// Its exit code once it has ended.
    pub code: Option<i32>,
    /// Whether it reads what the person types.
    pub reads: bool,
    /// Lines that were typed to it.
    pub typed: Vec<String>,
}

impl Said {
    /// All of one stream.
    pub fn stream(&self, stderr: bool) -> String {
        self.text.iter().filter(|(e, _)| *e == stderr).map(|(_, t)| t.as_str()).collect()
    }
}

/// A page that was opened from a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Visited {
    /// Number of the visit.
    pub id: u64,
    /// The pod's uid.
    pub pod: String,
    /// Whether the answer is still to come.
    pub pending: bool,
    /// Address.
    pub url: String,
    /// HTTP status, 0 for no answer.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body, or why there is none.
    pub body: String,
    /// How long it took, in nanoseconds.
    pub took_ns: u64,
}

/// How many commands the terminal remembers.
const COMMANDS_MAX: usize = 200;

/// What all views share. Clones are the same.
#[derive(Clone)]
pub struct Desk {
    /// The world.
    pub model: Rc<RefCell<Model>>,
    /// The line to the worker.
    pub link: Rc<RefCell<Option<Link>>>,
    /// Commands by number.
    pub commands: Rc<RefCell<BTreeMap<u64, Said>>>,
    /// Answers by question number.
    pub answers: Rc<RefCell<BTreeMap<u32, Answer>>>,
    /// Commands of buttons: what they say is told at once, for the terminal may be closed.
    pub told: Rc<RefCell<BTreeSet<u64>>>,
    /// The page that was opened last.
    pub visited: Rc<RefCell<Option<Visited>>>,
    /// The file that was exported last.
    pub exported: Rc<RefCell<Option<ObjectUrl>>>,
    /// The stored session as the worker last gave it.
    pub session: Rc<RefCell<String>>,
    /// Changes the page's state.
    pub ui: UseReducerDispatcher<Ui>,
    next: Rc<Cell<u64>>,
    /// What was asked before there was a cluster to ask, until there is one.
    early: Rc<RefCell<Option<Vec<ToWorker>>>>,
}

impl PartialEq for Desk {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.model, &other.model)
    }
}

impl Desk {
    /// An empty desk. `first` is the first number to give to inputs.
    pub fn new(ui: UseReducerDispatcher<Ui>, first: u64) -> Self {
        Desk {
            model: Rc::default(),
            link: Rc::default(),
            commands: Rc::default(),
            answers: Rc::default(),
            told: Rc::default(),
            visited: Rc::default(),
            exported: Rc::default(),
            session: Rc::default(),
            ui,
            next: Rc::new(Cell::new(first)),
            early: Rc::new(RefCell::new(Some(Vec::new()))),
        }
    }

    /// A number that was not used before.
    pub fn number(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    /// Sends a message to the worker; what is sent before the cluster begins follows its beginning.
    pub fn send(&self, message: &ToWorker) {
        if let Some(early) = &mut *self.early.borrow_mut() {
            return early.push(message.clone());
        }
        if let Some(link) = &*self.link.borrow() {
            link.send(message);
        }
    }

    /// Begins with these messages: the worker listens.
    pub fn begin(&self, first: impl Iterator<Item = ToWorker>) {
        let early = self.early.take().unwrap_or_default();
        first.chain(early).for_each(|message| self.send(&message));
    }

    /// Does something to the cluster.
    pub fn submit(&self, input: Input) {
        self.send(&ToWorker::Submit(input));
    }

    /// Runs a command line with files beside it; its number.
    pub fn command(&self, line: &str, files: Vec<(String, String)>) -> u64 {
        let id = self.number();
        self.list_command(id, line);
        self.submit(Input::Command { id, line: line.to_owned(), files });
        id
    }

    fn list_command(&self, id: u64, line: &str) {
        let mut all = self.commands.borrow_mut();
        all.insert(id, Said { line: line.to_owned(), ..Said::default() });
        while all.len() > COMMANDS_MAX {
            all.pop_first();
        }
    }

    /// Lists the commands of the stored session: what they say comes again while it is replayed.
    pub fn remember_commands(&self) {
        let Ok(session) = Session::from_json(&self.session.borrow()) else { return };
        for input in &session.inputs {
            match &input.input {
                Input::Command { id, line, .. } => self.list_command(*id, line),
                Input::Type { id, text } => self.list_typed(*id, text),
                _ => {}
            }
        }
    }

    /// The command that reads what is typed, and what it printed last without ending the line: its prompt.
    pub fn reader(&self) -> Option<(u64, String)> {
        let all = self.commands.borrow();
        let (id, said) = all.iter().rev().find(|(_, s)| s.reads && s.code.is_none())?;
        let last = said.text.last().map_or("", |(_, t)| t.as_str());
        Some((*id, last.rsplit('\n').next().unwrap_or_default().to_owned()))
    }

    /// Runs a command line for a button.
    pub fn command_told(&self, line: &str) {
        let id = self.command(line, Vec::new());
        self.told.borrow_mut().insert(id);
    }

    /// Types to a command that reads it: a line with its end, or a control character.
    pub fn type_to(&self, id: u64, text: String) {
        self.list_typed(id, &text);
        self.submit(Input::Type { id, text });
    }

    fn list_typed(&self, id: u64, text: &str) {
        if let Some(said) = self.commands.borrow_mut().get_mut(&id) {
            said.typed.extend(text.strip_suffix('\n').filter(|l| !l.is_empty()).map(str::to_owned));
        }
    }

    /// Commands that have not ended yet.
    pub fn commands_running(&self) -> usize {
        self.commands.borrow().values().filter(|s| s.code.is_none()).count()
    }

    /// Opens a pod's page.
    pub fn visit(&self, namespace: &str, name: &str, uid: &str) {
        let id = self.number();
        let url = format!("{namespace}/{name}");
        let (headers, body) = (Vec::new(), String::new());
        let pod = uid.to_owned();
        *self.visited.borrow_mut() =
            Some(Visited { id, pod, pending: true, url, status: 0, headers, body, took_ns: 0 });
        self.submit(Input::Visit { id, namespace: namespace.into(), pod: name.into(), port: 0, path: "/".into() });
    }

    /// Asks something; the number under which the answer will be found.
    pub fn ask(&self, question: Question) -> u32 {
        let id = self.number() as u32;
        self.send(&ToWorker::Ask { id, question });
        id
    }

    /// Changes the page's state.
    pub fn act(&self, act: Act) {
        self.ui.dispatch(act);
    }
}
