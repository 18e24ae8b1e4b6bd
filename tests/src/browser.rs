//! Drives the page in a real Chromium, by `data-testid` alone. `cargo xtask` serves the page and runs the driver.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use fantoccini::elements::Element;

/// How long the page may take for anything, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Sandboxes and services that a throw-away browser on a test machine does without.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

pub type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a browser test failed.
pub struct Failure(String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<T: fmt::Display> From<T> for Failure {
    fn from(error: T) -> Self {
        Failure(error.to_string())
    }
}

/// The size of the window, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewport {
    pub width: u32,
    pub height: u32,
}

impl Viewport {
    pub const DESKTOP: Viewport = Viewport { width: 1440, height: 900 };
    pub const PHONE: Viewport = Viewport { width: 390, height: 844 };
}

/// What the person's system asks of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

impl Theme {
    fn name(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// The page in a browser of its own, with an empty profile.
pub struct Page {
    driver: Client,
    address: String,
}

/// A command of chromedriver's own, beyond the WebDriver standard.
#[derive(Debug)]
struct Vendor {
    /// What follows the session in its path.
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> std::result::Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// Opens the page, runs a story on it and checks that the console stayed free of errors. A picture of a failed page
/// is kept in `target/browser/NAME.png`.
pub async fn story(name: &str, viewport: Viewport, theme: Theme, story: impl AsyncFnOnce(&Page) -> Result) -> Result {
    let page = Page::open(viewport, theme).await?;
    let mut told = story(&page).await;
    let errors = page.console_errors().await?;
    if !errors.is_empty() {
        let heard = told.err().map(|failure| format!("{failure:?}\n")).unwrap_or_default();
        told = Err(Failure(format!("{heard}the console has errors:\n{}", errors.join("\n"))));
    }
    if let Err(failure) = &mut told {
        let file = failure_dir().join(format!("{name}.png"));
        if page.screenshot(&file).await.is_ok() {
            failure.0.push_str(&format!("\nthe page at that moment: {}", file.display()));
        }
    }
    page.close().await?;
    told
}

fn failure_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("browser")
}

fn announced(name: &str) -> Result<String> {
    env::var(name)
        .map_err(|_| Failure(format!("{name} is not set: run browser tests with `cargo xtask test --only browser`")))
}

impl Page {
    /// Starts a browser and loads the page.
    pub async fn open(viewport: Viewport, theme: Theme) -> Result<Page> {
        Page::open_at("", viewport, theme).await
    }

    /// Starts a browser and loads an address below the page's.
    pub async fn open_at(relative: &str, viewport: Viewport, theme: Theme) -> Result<Page> {
        let address = announced("PODARIUM_PAGE")?;
        let capabilities = serde_json::from_value(json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": announced("PODARIUM_CHROMIUM")?, "args": FLAGS },
            "goog:loggingPrefs": { "browser": "ALL" },
        }))?;
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let driver = builder.capabilities(capabilities).connect(&announced("PODARIUM_WEBDRIVER")?).await?;
        let page = Page { driver, address };
        page.resize(viewport).await?;
        page.set_theme(theme).await?;
        page.goto(relative).await?;
        Ok(page)
    }

    /// Ends the browser.
    pub async fn close(self) -> Result {
        Ok(self.driver.close().await?)
    }

    /// The WebDriver session, for what is not covered here.
    pub fn driver(&self) -> &Client {
        &self.driver
    }

    /// Loads the page again, with its storage kept.
    pub async fn reload(&self) -> Result {
        Ok(self.driver.refresh().await?)
    }

    /// Loads another address of the page, such as one with a fragment.
    pub async fn goto(&self, relative: &str) -> Result {
        Ok(self.driver.goto(&format!("{}{relative}", self.address)).await?)
    }

    pub async fn resize(&self, viewport: Viewport) -> Result {
        let mobile = viewport.width < 600;
        let metrics = json!({
            "width": viewport.width, "height": viewport.height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await.map(drop)
    }

    pub async fn set_theme(&self, theme: Theme) -> Result {
        self.emulate_media("prefers-color-scheme", theme.name()).await
    }

    pub async fn set_reduced_motion(&self) -> Result {
        self.emulate_media("prefers-reduced-motion", "reduce").await
    }

    async fn emulate_media(&self, feature: &str, value: &str) -> Result {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await.map(drop)
    }

    /// Calls a method of Chromium's own protocol.
    pub async fn devtools(&self, method: &str, params: Value) -> Result<Value> {
        self.vendor("goog/cdp/execute", json!({ "cmd": method, "params": params })).await
    }

    async fn vendor(&self, path: &'static str, body: Value) -> Result<Value> {
        Ok(self.driver.issue_cmd(Vendor { path, body }).await?)
    }

    /// The element with this `data-testid`, as soon as it is there.
    pub async fn find(&self, testid: &str) -> Result<Element> {
        let what = format!("an element with data-testid \"{testid}\"");
        self.until(&what, async || Ok(self.find_all(testid).await?.into_iter().next())).await
    }

    /// The elements with this `data-testid` that are there now.
    pub async fn find_all(&self, testid: &str) -> Result<Vec<Element>> {
        Ok(self.driver.find_all(Locator::Css(&format!("[data-testid='{testid}']"))).await?)
    }

    /// Clicks an element as soon as it is there and can be clicked.
    pub async fn click(&self, testid: &str) -> Result {
        let what = format!("clicking \"{testid}\"");
        self.until(&what, async || {
            let Some(element) = self.find_all(testid).await?.into_iter().next() else { return Ok(None) };
            Ok(element.click().await.ok())
        })
        .await
    }

    /// Replaces what a text field holds.
    pub async fn fill(&self, testid: &str, text: &str) -> Result {
        let element = self.find(testid).await?;
        element.clear().await?;
        Ok(element.send_keys(text).await?)
    }

    /// Replaces what a text field holds by a text from the clipboard: at once, where `fill` types key by key.
    pub async fn paste(&self, testid: &str, text: &str) -> Result {
        let element = self.find(testid).await?;
        element.clear().await?;
        element.click().await?;
        self.devtools("Input.insertText", json!({ "text": text })).await.map(drop)
    }

    /// The text of an element, as it is drawn.
    pub async fn text(&self, testid: &str) -> Result<String> {
        Ok(self.find(testid).await?.text().await?)
    }

    /// Waits until the text of an element contains this.
    pub async fn wait_for_text(&self, testid: &str, needle: &str) -> Result {
        let last = std::cell::RefCell::new(String::new());
        let what = format!("\"{needle}\" in \"{testid}\"");
        let found = self.until(&what, async || {
            let Some(element) = self.find_all(testid).await?.into_iter().next() else { return Ok(None) };
            // The element may be replaced between the two questions.
            let text = element.text().await.unwrap_or_default();
            let found = text.contains(needle);
            *last.borrow_mut() = text;
            Ok(found.then_some(()))
        });
        found.await.map_err(|failure| Failure(format!("{}; its text was: {}", failure.0, last.borrow())))
    }

    /// Waits until a JavaScript expression is true.
    pub async fn wait_for_js(&self, expression: &str) -> Result {
        self.until(expression, async || Ok(self.evaluate::<bool>(expression).await?.then_some(()))).await
    }

    /// The value of a JavaScript expression; a promise is awaited.
    pub async fn evaluate<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        let script = format!("return {expression};");
        Ok(serde_json::from_value(self.driver.execute(&script, Vec::new()).await?)?)
    }

    /// Looks again and again until there is something, and fails when patience ends.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
        self.until_within(PATIENCE, what, look).await
    }

    /// Looks again and again until there is something, for so long.
    pub async fn until_within<T>(
        &self,
        patience: Duration,
        what: &str,
        look: impl AsyncFn() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(Failure(format!("waited {} s in vain for {what}", patience.as_secs())));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// What the console called an error since the last time it was asked.
    pub async fn console_errors(&self) -> Result<Vec<String>> {
        let entries = self.vendor("se/log", json!({ "type": "browser" })).await?;
        let severe = entries.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        Ok(severe.filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect())
    }

    /// Writes a picture of the window as PNG.
    pub async fn screenshot(&self, file: &Path) -> Result {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(file, self.driver.screenshot().await?)?)
    }
}
