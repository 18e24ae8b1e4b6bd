//! Running the tree.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use podarium_guest::task::Handle;
use podarium_guest::{fs, process};

use super::parse::{Command, Redirect, Word};
use super::{Flow, Shell};
use crate::stream::{self, Input, OpenFile, Output, Streams};
use crate::{applets, base_name};

/// Commands that run before others get a turn.
const BUSY_MAX: u32 = 50;
/// How deep functions and subshells may call.
const DEPTH_MAX: u32 = 24;

type Running<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

impl Shell {
    /// Runs commands one after the other.
    pub(super) async fn list(&mut self, commands: &[Command], streams: &Streams) -> Flow {
        for command in commands {
            let flow = self.command(command, streams).await;
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    /// Gives others a turn now and then, and runs traps.
    async fn breathe(&mut self, streams: &Streams) -> Flow {
        let busy = self.shared.busy.get() + 1;
        self.shared.busy.set(busy % BUSY_MAX);
        if busy >= BUSY_MAX {
            podarium_guest::yield_now().await;
        }
        if self.traps.is_empty() {
            return Flow::Next;
        }
        self.collect_signals();
        loop {
            let next = self.shared.pending.borrow_mut().pop();
            let Some(signal) = next else { return Flow::Next };
            if let Some(command) = self.traps.get(&signal).cloned() {
                let status = self.status;
                let flow = Box::pin(self.script(&command, streams)).await;
                if flow == Flow::Exit {
                    return flow;
                }
                self.status = status;
            }
        }
    }

    pub(super) fn command<'a>(&'a mut self, command: &'a Command, streams: &'a Streams) -> Running<'a, Flow> {
        Box::pin(async move {
            let flow = self.breathe(streams).await;
            if flow != Flow::Next {
                return flow;
            }
            if self.depth > DEPTH_MAX {
                streams.err.print(&format!("{}: nested too deep\n", self.name)).await;
                self.status = 2;
                return Flow::Exit;
            }
            self.depth += 1;
            let flow = self.dispatch(command, streams).await;
            self.depth -= 1;
            let checked = matches!(
                command,
                Command::Simple { .. } | Command::Pipeline { negated: false, .. } | Command::Subshell(_)
            ) || matches!(command, Command::Redirected(inner, _) if matches!(**inner, Command::Simple { .. }));
            if flow == Flow::Next && self.errexit && self.in_condition == 0 && self.status != 0 && checked {
                return Flow::Exit;
            }
            flow
        })
    }

    async fn condition(&mut self, commands: &[Command], streams: &Streams) -> Flow {
        self.in_condition += 1;
        let flow = self.list(commands, streams).await;
        self.in_condition -= 1;
        flow
    }

    async fn dispatch(&mut self, command: &Command, streams: &Streams) -> Flow {
        match command {
            Command::Simple { assignments, words } => self.simple(assignments, words, streams).await,
            Command::Redirected(inner, redirects) => match self.redirect(redirects, streams).await {
                Ok(streams) => self.dispatch_boxed(inner, &streams).await,
                Err(why) => {
                    streams.err.print(&format!("{}: {why}\n", self.name)).await;
                    self.status = 1;
                    Flow::Next
                }
            },
            Command::Pipeline { negated, commands } => {
                let flow = self.pipeline(commands, *negated, streams).await;
                if *negated {
                    self.status = i32::from(self.status == 0);
                }
                flow
            }
            Command::And(left, right) | Command::Or(left, right) => {
                self.in_condition += 1;
                let flow = self.command(left, streams).await;
                self.in_condition -= 1;
                let go_on = (self.status == 0) == matches!(command, Command::And(..));
                if flow == Flow::Next && go_on { self.command(right, streams).await } else { flow }
            }
            Command::Background(inner) => {
                self.background(inner, streams);
                Flow::Next
            }
            Command::If { branches, otherwise } => {
                for (condition, body) in branches {
                    let flow = self.condition(condition, streams).await;
                    if flow != Flow::Next {
                        return flow;
                    }
                    if self.status == 0 {
                        return self.list(body, streams).await;
                    }
                }
                self.status = 0;
                self.list(otherwise, streams).await
            }
            Command::Loop { condition, until, body } => {
                let mut status = 0;
                loop {
                    let flow = self.condition(condition, streams).await;
                    if flow != Flow::Next {
                        return flow;
                    }
                    if (self.status == 0) == *until {
                        self.status = status;
                        return Flow::Next;
                    }
                    match self.list(body, streams).await {
                        Flow::Next | Flow::Continue(1) => {}
                        Flow::Break(1) => return Flow::Next,
                        Flow::Break(n) => return Flow::Break(n - 1),
                        Flow::Continue(n) => return Flow::Continue(n - 1),
                        other => return other,
                    }
                    status = self.status;
                    // Even a loop over nothing lets others have a turn.
                    let flow = self.breathe(streams).await;
                    if flow != Flow::Next {
                        return flow;
                    }
                }
            }
            Command::For { name, words, body } => {
                let values = match words {
                    Some(words) => match self.fields(words, streams).await {
                        Ok(values) => values,
                        Err(flow) => return flow,
                    },
                    None => self.parameters.clone(),
                };
                self.status = 0;
                for value in values {
                    self.set(name, &value);
                    match self.list(body, streams).await {
                        Flow::Next | Flow::Continue(1) => {}
                        Flow::Break(1) => break,
                        Flow::Break(n) => return Flow::Break(n - 1),
                        Flow::Continue(n) => return Flow::Continue(n - 1),
                        other => return other,
                    }
                }
                Flow::Next
            }
            Command::Case { word, arms } => {
                let Ok(value) = self.text(word, streams).await else { return Flow::Exit };
                self.status = 0;
                for (patterns, body) in arms {
                    for pattern in patterns {
                        let Ok(pattern) = self.pattern(pattern, streams).await else { return Flow::Exit };
                        if super::expand::matches(&pattern, &value) {
                            return self.list(body, streams).await;
                        }
                    }
                }
                Flow::Next
            }
            Command::Group(body) => self.list(body, streams).await,
            Command::Subshell(body) => {
                let mut inner = self.clone();
                inner.traps.clear();
                inner.list(body, streams).await;
                self.status = inner.finish(streams).await;
                Flow::Next
            }
            Command::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::new((**body).clone()));
                self.status = 0;
                Flow::Next
            }
        }
    }

    fn dispatch_boxed<'a>(&'a mut self, command: &'a Command, streams: &'a Streams) -> Running<'a, Flow> {
        Box::pin(self.dispatch(command, streams))
    }

    /// Runs all commands at once, each reading what the one before writes.
    async fn pipeline(&mut self, commands: &[Command], negated: bool, streams: &Streams) -> Flow {
        if let [only] = commands {
            self.in_condition += u32::from(negated);
            let flow = self.command(only, streams).await;
            self.in_condition -= u32::from(negated);
            return flow;
        }
        let mut handles = Vec::new();
        let mut input = streams.input.clone();
        let last = commands.len() - 1;
        for (index, command) in commands.iter().enumerate() {
            let mut own = streams.clone();
            own.input = input.clone();
            if index < last {
                let (writer, reader) = stream::pipe();
                own.out = Output::Pipe(writer);
                input = Input::Pipe(reader);
            }
            handles.push(self.job(command.clone(), own));
        }
        drop(input);
        for handle in handles {
            self.status = handle.join().await;
        }
        Flow::Next
    }

    /// A command in a shell of its own, beside this one.
    fn job(&self, command: Command, streams: Streams) -> Handle<i32> {
        let mut shell = self.clone();
        shell.traps.clear();
        Handle::spawn(async move {
            shell.command(&command, &streams).await;
            shell.finish(&streams).await
        })
    }

    fn background(&mut self, command: &Command, streams: &Streams) {
        let number = self.shared.jobs.get() + 1;
        self.shared.jobs.set(number);
        self.last_job = number + 1;
        let handle = self.job(command.clone(), streams.clone());
        self.jobs.borrow_mut().push((self.last_job, handle));
        self.status = 0;
    }

    /// The streams of a command with redirections.
    async fn redirect(&mut self, redirects: &[Redirect], streams: &Streams) -> Result<Streams, String> {
        let mut streams = streams.clone();
        for Redirect { fd, operator, target } in redirects {
            let Ok(name) = self.text(target, &streams).await else { return Err("bad redirection".to_owned()) };
            if operator == "<<" {
                let (writer, reader) = stream::pipe();
                Output::Pipe(writer).print(&name).await;
                streams.input = Input::Pipe(reader);
                continue;
            }
            if operator == ">&"
                && let Ok(from) = name.parse::<u32>()
            {
                let output = if from == 2 { streams.err.clone() } else { streams.out.clone() };
                if *fd == 2 {
                    streams.err = output;
                } else {
                    streams.out = output;
                }
                continue;
            }
            let flags = match operator.as_str() {
                "<" => 0,
                ">>" => fs::WRITE | fs::CREATE | fs::APPEND,
                "<&" => continue,
                _ => fs::WRITE | fs::CREATE | fs::TRUNCATE,
            };
            let opened = fs::open(&self.path(&name), flags).map_err(|error| {
                let verb = if flags == 0 { "open" } else { "create" };
                let why = match (error.0, verb) {
                    (44, "open") => "no such file",
                    (44, _) => "nonexistent directory",
                    _ => error.message(),
                };
                format!("can't {verb} {name}: {why}")
            })?;
            let file = Rc::new(OpenFile(opened));
            match (operator.as_str(), fd) {
                ("<", _) => streams.input = Input::File(file),
                ("&>" | ">&", _) => {
                    streams.out = Output::File(file.clone());
                    streams.err = Output::File(file);
                }
                (_, 2) => streams.err = Output::File(file),
                _ => streams.out = Output::File(file),
            }
        }
        Ok(streams)
    }

    async fn simple(&mut self, assignments: &[(String, Word)], words: &[Word], streams: &Streams) -> Flow {
        let args = match self.fields(words, streams).await {
            Ok(args) => args,
            Err(flow) => return flow,
        };
        let mut values = Vec::new();
        for (name, word) in assignments {
            match self.text(word, streams).await {
                Ok(value) => values.push((name.clone(), value)),
                Err(flow) => return flow,
            }
        }
        let Some(program) = args.first().cloned() else {
            // A command substitution's status stays.
            let substituted = assignments.iter().any(|(_, word)| super::expand::has_command(word));
            for (name, value) in values {
                self.set(&name, &value);
            }
            if !substituted {
                self.status = 0;
            }
            return Flow::Next;
        };
        if self.xtrace {
            streams.err.print(&format!("+ {}\n", args.join(" "))).await;
        }
        if let Some(body) = self.functions.get(&program).cloned() {
            let before = std::mem::replace(&mut self.parameters, args[1..].to_vec());
            for (name, value) in values {
                self.set(&name, &value);
            }
            let flow = self.command(&body, streams).await;
            self.parameters = before;
            return if flow == Flow::Return { Flow::Next } else { flow };
        }
        if let Some(flow) = self.builtin(&program, &args, &values, streams).await {
            return flow;
        }
        let mut environment = self.environment();
        for (name, value) in values {
            environment.retain(|(n, _)| *n != name);
            environment.push((name, value));
        }
        self.status = self.external(&program, &args, streams, &environment).await;
        Flow::Next
    }

    /// Runs a program that isn't part of the shell.
    async fn external(
        &mut self,
        program: &str,
        args: &[String],
        streams: &Streams,
        environment: &[(String, String)],
    ) -> i32 {
        let name = base_name(program);
        if name == "sh" || name == "ash" {
            let mut inner = streams.clone();
            inner.input = streams.input.clone();
            return Box::pin(super::run(args, inner)).await;
        }
        let mut own = streams.clone();
        let mut args = args.to_vec();
        if program.contains('/') && fs::stat(&self.path(program)).is_ok() && !program.starts_with("/bin/") {
            // A script that was written here.
            let mut line = vec!["sh".to_owned(), self.path(program)];
            line.extend(args.drain(1..));
            return Box::pin(super::run(&line, own)).await;
        }
        self.absolute(name, &mut args);
        if let Some(code) = applets::run(name, &args, &mut own, environment).await {
            return code;
        }
        streams.err.print(&format!("{}: {program}: not found\n", self.name)).await;
        127
    }

    /// Makes the arguments of file commands absolute: applets know no directory but the root.
    fn absolute(&self, name: &str, args: &mut Vec<String>) {
        const FILES: &[&str] = &[
            "cat", "ls", "rm", "rmdir", "mkdir", "touch", "head", "tail", "wc", "tee", "stat", "sort", "uniq", "cp",
            "mv",
        ];
        if self.directory == "/" {
            return;
        }
        if FILES.contains(&name) {
            for arg in args.iter_mut().skip(1).filter(|arg| !arg.starts_with('-') && !arg.starts_with('/')) {
                if !arg.bytes().all(|b| b.is_ascii_digit()) {
                    *arg = self.path(arg);
                }
            }
        }
        if (name == "ls" && args.iter().skip(1).all(|arg| arg.starts_with('-'))) || name == "pwd" {
            args.push(self.directory.clone());
        }
    }

    /// What commands print, without the line ends at its end.
    pub(super) async fn capture(&mut self, body: &[Command], streams: &Streams) -> String {
        let captured = Rc::new(RefCell::new(Vec::new()));
        let mut own = streams.clone();
        own.out = Output::Capture(captured.clone());
        let mut inner = self.clone();
        inner.traps.clear();
        inner.list(body, &own).await;
        self.status = inner.finish(&own).await;
        let bytes = captured.borrow();
        String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()
    }

    /// Waits for background commands: all, or the one of that number.
    pub(super) async fn wait(&mut self, number: Option<u32>) -> i32 {
        let mut status = 0;
        loop {
            let next = {
                let mut jobs = self.jobs.borrow_mut();
                let index = jobs.iter().position(|(n, _)| number.is_none_or(|number| number == *n));
                index.map(|index| jobs.remove(index))
            };
            let Some((id, handle)) = next else { return if number.is_some() { status } else { 0 } };
            let shared = self.shared.clone();
            let trapped = !self.traps.is_empty();
            let done = async { Ok(handle.join().await) };
            let interrupted = async {
                if !trapped {
                    std::future::pending::<()>().await;
                }
                let signal = process::signal().await;
                shared.pending.borrow_mut().push(signal);
                Err(signal)
            };
            match podarium_guest::task::first(done, interrupted).await {
                Ok(code) => status = code,
                Err(signal) => return 128 + signal as i32,
            }
            if number == Some(id) {
                return status;
            }
        }
    }
}
