//! Stories told through the page's own controls, in a real Chromium. Run by `cargo xtask test --only browser`.

use podarium_tests::browser::{Result, Theme, Viewport, story};

#[tokio::test]
async fn page_loads_and_its_worker_answers() -> Result {
    story("loads", Viewport::DESKTOP, Theme::Light, async |page| page.wait_for_text("worker-state", "ready").await)
        .await
}

#[tokio::test]
async fn page_follows_the_window_and_the_systems_theme() -> Result {
    story("phone", Viewport::PHONE, Theme::Dark, async |page| {
        page.wait_for_text("worker-state", "ready").await?;
        let phone: bool =
            page.evaluate("innerWidth === 390 && matchMedia('(prefers-color-scheme: dark)').matches").await?;
        assert!(phone);
        Ok(())
    })
    .await
}
