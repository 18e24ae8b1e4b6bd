//! Commands that change the shell itself.

use podarium_guest::{fs, process};

use super::{Flow, Shell};
use crate::applets;
use crate::stream::Streams;

fn signal_number(name: &str) -> Option<u32> {
    let name = name.trim_start_matches("SIG");
    Some(match name {
        "EXIT" | "0" => 0,
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        number => number.parse().ok().filter(|n| *n < 32)?,
    })
}

impl Shell {
    /// Runs a builtin; none if there is none of that name.
    pub(super) async fn builtin(
        &mut self,
        name: &str,
        args: &[String],
        values: &[(String, String)],
        streams: &Streams,
    ) -> Option<Flow> {
        let argument = |index: usize| args.get(index).map_or("", String::as_str);
        let number = |index: usize| args.get(index).and_then(|text| text.parse::<i32>().ok());
        self.status = match name {
            ":" => 0,
            "exit" => {
                self.status = number(1).unwrap_or(self.status);
                return Some(Flow::Exit);
            }
            "return" => {
                self.status = number(1).unwrap_or(self.status);
                return Some(Flow::Return);
            }
            "break" => return Some(Flow::Break(number(1).unwrap_or(1).max(1) as u32)),
            "continue" => return Some(Flow::Continue(number(1).unwrap_or(1).max(1) as u32)),
            "cd" => {
                let target = args.get(1).cloned().or_else(|| self.get("HOME")).unwrap_or_else(|| "/".to_owned());
                let path = normal(&self.path(&target));
                match fs::stat(&path) {
                    Ok((fs::Kind::Directory, _)) => {
                        self.directory = path;
                        0
                    }
                    _ => {
                        let words = format!("{}: cd: can't cd to {target}: No such file or directory\n", self.name);
                        streams.err.print(&words).await;
                        2
                    }
                }
            }
            "export" | "readonly" | "local" => {
                for arg in args.iter().skip(1) {
                    match arg.split_once('=') {
                        Some((name, value)) => self.set(name, value),
                        None => {
                            self.variables.entry(arg.clone()).or_default();
                        }
                    }
                    if name == "export"
                        && let Some(variable) = self.variables.get_mut(arg.split('=').next().unwrap_or_default())
                    {
                        variable.exported = true;
                    }
                }
                0
            }
            "unset" => {
                for arg in args.iter().skip(1) {
                    self.variables.remove(arg);
                    self.functions.remove(arg);
                }
                0
            }
            "set" => {
                self.set_options(args);
                0
            }
            "shift" => {
                let count = number(1).unwrap_or(1).max(0) as usize;
                if count > self.parameters.len() {
                    1
                } else {
                    self.parameters.drain(..count);
                    0
                }
            }
            "eval" => {
                let text = args[1..].join(" ");
                self.status = 0;
                return Some(Box::pin(self.script(&text, streams)).await);
            }
            "." | "source" => match fs::read(&self.path(argument(1))) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let flow = Box::pin(self.script(&text, streams)).await;
                    return Some(if flow == Flow::Return { Flow::Next } else { flow });
                }
                Err(_) => {
                    streams.err.print(&format!("{}: .: can't open '{}'\n", self.name, argument(1))).await;
                    self.status = 2;
                    return Some(Flow::Exit);
                }
            },
            "exec" => return Some(self.exec(args, streams).await),
            "trap" => self.trap(args),
            "wait" => {
                let status = self.wait(args.get(1).and_then(|n| n.parse().ok())).await;
                self.collect_signals();
                status
            }
            "read" => self.read(args, streams).await,
            "type" | "command" => {
                let program = args.iter().skip(1).find(|arg| !arg.starts_with('-')).cloned().unwrap_or_default();
                if name == "command" && !argument(1).starts_with('-') {
                    let rest = args[1..].to_vec();
                    if let Some(flow) = Box::pin(self.builtin(&program, &rest, values, streams)).await {
                        return Some(flow);
                    }
                    let environment = self.environment();
                    let code = applets::run(&program, &rest, &mut streams.clone(), &environment).await;
                    code.unwrap_or(127)
                } else if applets::NAMES.contains(&program.as_str()) || program == "sh" {
                    streams.out.print(&format!("/bin/{program}\n")).await;
                    0
                } else {
                    127
                }
            }
            "kill" => self.kill(args, streams).await,
            "pwd" => {
                streams.out.print(&format!("{}\n", self.directory)).await;
                0
            }
            "umask" | "ulimit" | "hash" | "alias" => 0,
            _ => return None,
        };
        // Assignments before a builtin stay.
        for (name, value) in values {
            self.set(name, value);
        }
        Some(Flow::Next)
    }

    fn set_options(&mut self, args: &[String]) {
        let mut args = args.iter().skip(1).peekable();
        while let Some(arg) = args.peek() {
            let on = arg.starts_with('-');
            let Some(flags) = arg.strip_prefix(['-', '+']).filter(|flags| !flags.is_empty()) else { break };
            let flags = flags.to_owned();
            args.next();
            if flags == "-" {
                self.parameters = args.cloned().collect();
                return;
            }
            for flag in flags.chars() {
                match flag {
                    'e' => self.errexit = on,
                    'u' => self.nounset = on,
                    'x' => self.xtrace = on,
                    'o' => {
                        if args.peek().is_some_and(|name| *name == "errexit") {
                            self.errexit = on;
                        }
                        args.next();
                    }
                    _ => {}
                }
            }
        }
        let rest: Vec<String> = args.cloned().collect();
        if !rest.is_empty() {
            self.parameters = rest;
        }
    }

    fn trap(&mut self, args: &[String]) -> i32 {
        let Some(action) = args.get(1) else { return 0 };
        let (action, names) = if args.len() == 2 { ("-", &args[1..]) } else { (action.as_str(), &args[2..]) };
        for name in names {
            let Some(signal) = signal_number(name) else { return 1 };
            if action == "-" {
                self.traps.remove(&signal);
            } else {
                self.traps.insert(signal, action.to_owned());
            }
        }
        self.handle_signals();
        0
    }

    /// Becomes another program: one of the image's other modules, or one of this one's.
    async fn exec(&mut self, args: &[String], streams: &Streams) -> Flow {
        let Some(program) = args.get(1) else { return Flow::Next };
        let name = crate::base_name(program);
        if name != "sh" && !applets::NAMES.contains(&name) {
            let error = process::exec(&args[1..]);
            if error.0 == 44 {
                streams.err.print(&format!("{}: exec: {program}: not found\n", self.name)).await;
            }
            self.status = 127;
            return Flow::Exit;
        }
        let environment = self.environment();
        self.status = if name == "sh" {
            Box::pin(super::run(&args[1..], streams.clone())).await
        } else {
            applets::run(name, &args[1..], &mut streams.clone(), &environment).await.unwrap_or(127)
        };
        self.traps.clear();
        Flow::Exit
    }

    async fn read(&mut self, args: &[String], streams: &Streams) -> i32 {
        let Some(line) = streams.input.read_line().await else { return 1 };
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut names: Vec<&String> = args.iter().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        let reply = "REPLY".to_owned();
        if names.is_empty() {
            names.push(&reply);
        }
        let mut rest = line.trim();
        for (index, name) in names.iter().enumerate() {
            if index + 1 == names.len() {
                self.set(name, rest);
            } else {
                let (word, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
                self.set(name, word);
                rest = after.trim_start();
            }
        }
        0
    }

    async fn kill(&mut self, args: &[String], streams: &Streams) -> i32 {
        let mut signal = 15;
        let mut status = 0;
        for arg in args.iter().skip(1) {
            if let Some(name) = arg.strip_prefix('-') {
                match signal_number(name) {
                    Some(number) => signal = number,
                    None => return 1,
                }
                continue;
            }
            let Ok(number) = arg.parse::<u32>() else { return 1 };
            let job = self.jobs.borrow().iter().position(|(n, _)| *n == number);
            if let Some(index) = job {
                // The job's task is let go: nobody waits for it any more.
                self.jobs.borrow_mut().remove(index);
            } else if process::kill(number, signal).is_err() {
                streams.err.print(&format!("{}: can't kill pid {number}: No such process\n", self.name)).await;
                status = 1;
            }
        }
        status
    }
}

/// The path without `.` and `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
