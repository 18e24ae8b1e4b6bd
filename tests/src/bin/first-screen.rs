//! Watches the first screen in Chromium and tells which functions ran. Run by `cargo xtask first-screen`.

use std::process::ExitCode;

use podarium_tests::browser::{Page, Result, Theme, Viewport};

/// What the first screen's sentence says when everything is there.
const READY: &str = "3 nodes, 0 pods, all well";

/// How often the page is opened to see what it may do.
const VISITS: u32 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let binaries: Vec<String> = std::env::args().skip(1).collect();
    for (viewport, theme) in [(Viewport::DESKTOP, Theme::Light), (Viewport::PHONE, Theme::Dark)] {
        if let Err(failure) = watch(viewport, theme, &binaries).await {
            eprintln!("first-screen: {failure:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Prints what runs in the first binary, the page, and in the others, which hold the cluster.
async fn watch(viewport: Viewport, theme: Theme, binaries: &[String]) -> Result {
    let page = Page::open(viewport, theme).await?;
    // A clock that stands lets a cluster boot, and stops it at the moment at which the first screen is there.
    visit(&page, "localStorage.setItem('podarium.paused', 'true')", "index.html").await?;
    tell(&page, binaries).await?;
    let app = binaries.get(..1).unwrap_or_default();
    // One that goes on says what comes right after that.
    visit(&page, "true", "index.html").await?;
    page.evaluate::<bool>("new Promise((then) => setTimeout(() => then(true), 150))").await?;
    tell(&page, binaries).await?;
    page.wait_for_js("performance.now() > 2000").await?;
    tell(&page, app).await?;
    // What the page does depends a little on what comes first, and on how much it can do before it lets others go on.
    for visits in 0..VISITS {
        page.devtools("Emulation.setCPUThrottlingRate", serde_json::json!({ "rate": 1 + 2 * visits })).await?;
        visit(&page, "true", "index.html").await?;
        tell(&page, app).await?;
    }
    page.devtools("Emulation.setCPUThrottlingRate", serde_json::json!({ "rate": 1 })).await?;
    // A link that somebody shared brings the same screen.
    let session: String = page.evaluate("encodeURIComponent(localStorage.getItem('podarium.session'))").await?;
    visit(&page, "true", &format!("index.html#session={session}")).await?;
    tell(&page, app).await?;
    page.close().await
}

/// Opens an address as one who was never here before, after a bit of JavaScript.
async fn visit(page: &Page, before: &str, address: &str) -> Result {
    page.goto("icon.svg").await?;
    page.evaluate::<bool>(&format!("(localStorage.clear(), {before}, true)")).await?;
    page.goto(address).await?;
    page.wait_for_text("summary", READY).await
}

/// Prints which functions have run since the page was loaded.
async fn tell(page: &Page, binaries: &[String]) -> Result {
    for name in binaries {
        let marks: Vec<u32> = page
            .evaluate(&format!(
                r#"new Promise((resolve) => {{
                    const channel = new BroadcastChannel("marks of {name}");
                    channel.onmessage = ({{ data }}) => resolve(data);
                    channel.postMessage("tell");
                }})"#
            ))
            .await?;
        let marks: Vec<String> = marks.iter().map(u32::to_string).collect();
        println!("{name}: {}", marks.join(" "));
    }
    Ok(())
}
