//! Watches the first screen in Chromium and tells which functions ran. Run by `cargo xtask first-screen`.

use std::process::ExitCode;

use podarium_tests::browser::{Page, Result, Theme, Viewport};

/// What the first screen's sentence says when everything is there.
const READY: &str = "3 nodes, 0 pods, all well";

/// Each cluster has a seed of its own, and boots a little differently.
const CLUSTERS: u32 = 8;

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

async fn watch(viewport: Viewport, theme: Theme, binaries: &[String]) -> Result {
    let page = Page::open(viewport, theme).await?;
    for _ in 0..CLUSTERS {
        page.goto("icon.svg").await?;
        page.evaluate::<bool>("(localStorage.clear(), true)").await?;
        page.goto("index.html").await?;
        page.wait_for_text("summary", READY).await?;
        tell(&page, binaries).await?;
    }
    // A link that somebody shared brings the same screen.
    let session: String = page.evaluate("encodeURIComponent(localStorage.getItem('podarium.session'))").await?;
    page.goto("icon.svg").await?;
    page.goto(&format!("index.html#session={session}")).await?;
    page.wait_for_text("summary", READY).await?;
    tell(&page, binaries).await?;
    page.close().await
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
