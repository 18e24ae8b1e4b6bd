//! A real browser for tests, benches and screenshots: Chromium and its driver, found or installed, and the page served.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process;
use crate::report::{self, Context as _, Result};
use crate::serve;

const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const DEBIAN_PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// The served page and a running WebDriver. Both end with this value.
pub struct Stage {
    page: SocketAddr,
    driver: Child,
    driver_port: u16,
    chromium: PathBuf,
}

/// Finds Chromium and its driver, or installs them where that is possible.
pub fn ensure() -> Result<(PathBuf, PathBuf)> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let step = report::step(format!("apt-get install {}", DEBIAN_PACKAGES.join(" ")));
    process::apt_install(&DEBIAN_PACKAGES)
        .map_err(|error| format!("Chromium and chromedriver are needed, in PATH.\n{error}"))?;
    step.done();
    find().ok_or_else(|| "Chromium and chromedriver were installed but are not in PATH".into())
}

fn find() -> Option<(PathBuf, PathBuf)> {
    let chromium = CHROMIUM_NAMES.into_iter().find_map(process::find)?;
    Some((chromium, process::find("chromedriver")?))
}

impl Stage {
    /// Serves a folder and starts the driver.
    pub fn set(folder: PathBuf) -> Result<Stage> {
        let (chromium, chromedriver) = ensure()?;
        let page = serve::in_background(folder)?;
        let mut driver = Command::new(chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start chromedriver")?;
        let mut driver_port = None;
        if let Some(stdout) = driver.stdout.take() {
            let mut lines = BufReader::new(stdout).lines().map_while(std::result::Result::ok);
            driver_port = lines.by_ref().find_map(|line| announced_port(&line));
            // Keeps the pipe open and empty for as long as the driver lives.
            std::thread::spawn(move || lines.for_each(drop));
        }
        let Some(driver_port) = driver_port else {
            process::stop(&mut driver);
            return Err("chromedriver ended without saying its port".into());
        };
        Ok(Stage { page, driver, driver_port, chromium })
    }

    /// Tells a program where the page and the driver are. `tests/src/browser.rs` reads this.
    pub fn announce(&self, command: &mut Command) {
        command
            .env("PODARIUM_PAGE", format!("http://{}/", self.page))
            .env("PODARIUM_WEBDRIVER", format!("http://127.0.0.1:{}", self.driver_port))
            .env("PODARIUM_WEBDRIVER_PID", self.driver.id().to_string())
            .env("PODARIUM_CHROMIUM", &self.chromium);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Asked politely, the driver closes the browsers that a failed test left open.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.driver_port)) {
            let _ = stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let deadline = Instant::now() + Duration::from_secs(5);
            while Instant::now() < deadline && matches!(self.driver.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        process::stop(&mut self.driver);
    }
}

fn announced_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("started successfully on port ")?;
    rest.trim_end_matches('.').trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_read_from_the_drivers_greeting() {
        assert_eq!(announced_port("ChromeDriver was started successfully on port 41235."), Some(41235));
        assert_eq!(announced_port("Starting ChromeDriver 150.0 on port 0"), None);
    }
}
