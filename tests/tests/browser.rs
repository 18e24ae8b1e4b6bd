//! Stories told through the page's own controls, in a real Chromium. Run by `cargo xtask test --only browser`.

use podarium_tests::browser::{Page, Result, Theme, Viewport, story};

/// Waits until the control plane and three workers are Ready.
async fn booted(page: &Page) -> Result {
    page.wait_for_text("summary", "3 nodes, 0 pods, all well").await
}

#[tokio::test]
async fn the_seeds_story() -> Result {
    story("seeds", Viewport::DESKTOP, Theme::Light, async |page| {
        booted(page).await?;
        // The ReplicationController of the seeds runs.
        page.click("chip-replicationcontroller").await?;
        page.click("editor-apply").await?;
        page.wait_for_text("editor-result", "replicationcontroller/myapp-rc created").await?;
        page.click("speed-10x").await?;
        page.wait_for_text("summary", "3 nodes, 3 pods, all well").await?;
        // The ReplicaSet of the seeds is refused in upstream's words, and mended.
        page.click("example-replicaset").await?;
        page.click("editor-apply").await?;
        page.wait_for_text(
            "editor-message",
            "The ReplicaSet \"myapp-rs\" is invalid: spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
        )
        .await?;
        page.click("editor-mend").await?;
        page.click("editor-apply").await?;
        page.wait_for_text("editor-result", "replicaset.apps/myapp-rs created").await?;
        page.wait_for_text("summary", "3 nodes, 6 pods, all well").await?;
        // A worker loses its power: silence, NotReady, eviction after 300 s, replacements.
        page.click("node-worker-1").await?;
        page.click("action-power-off").await?;
        page.wait_for_text("inspector-state", "switched off").await?;
        page.click("speed-100x").await?;
        page.wait_for_text("inspector", "NodeStatusUnknown: Kubelet stopped posting node status.").await?;
        page.wait_for_text("inspector", "node.kubernetes.io/unreachable:NoExecute").await?;
        page.click("action-power-on").await?;
        page.wait_for_text("inspector-state", "Ready").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pod_answers_over_http_and_logs_it() -> Result {
    story("open", Viewport::DESKTOP, Theme::Dark, async |page| {
        booted(page).await?;
        page.click("chip-replicationcontroller").await?;
        page.click("editor-apply").await?;
        page.click("speed-10x").await?;
        page.wait_for_text("summary", "3 nodes, 3 pods, all well").await?;
        page.wait_for_js("document.querySelector('[data-testid^=\"pod-myapp-rc-\"]') !== null").await?;
        let _: bool =
            page.evaluate("(document.querySelector('[data-testid^=\"pod-myapp-rc-\"]').click(), true)").await?;
        page.wait_for_text("inspector-state", "Running").await?;
        page.click("open-page").await?;
        page.wait_for_text("visited", "answered 200").await?;
        page.click("inspector-tab-logs").await?;
        page.wait_for_text("inspector-logs", "GET / HTTP/1.1").await
    })
    .await
}

#[tokio::test]
async fn the_page_fits_a_phone_and_a_reload_brings_the_cluster_back() -> Result {
    story("phone", Viewport::PHONE, Theme::Dark, async |page| {
        booted(page).await?;
        let phone: bool =
            page.evaluate("innerWidth === 390 && matchMedia('(prefers-color-scheme: dark)').matches").await?;
        assert!(phone);
        let fits: bool = page.evaluate("document.documentElement.scrollWidth <= innerWidth").await?;
        assert!(fits, "the page is wider than the phone");
        page.click("add-node").await?;
        page.wait_for_text("summary", "4 nodes, 0 pods, all well").await?;
        page.reload().await?;
        page.wait_for_text("summary", "4 nodes, 0 pods, all well").await
    })
    .await
}
