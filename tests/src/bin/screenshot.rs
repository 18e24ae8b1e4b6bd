//! Takes a picture of the page after a script of clicks. Run by `cargo xtask screenshot`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use podarium_tests::browser::{Page, Result, Theme, Viewport};

const USAGE: &str = "\
cargo xtask screenshot [options] STEP...

  --out FILE        where to (default docs/screenshots/page.png)
  --size WxH        of the window (default 1440x900; a phone is 390x844)
  --theme NAME      light or dark (default light)
  --reduced-motion  as a system that asks for less motion
  --path TEXT       what follows the page's address, such as '#lesson-1'
  --fast            build the page quickly
  --built           take dist/ as it is

Steps are done in the order given, each waiting for its element (a data-testid):
  click:ID          clicks it
  wait:ID           waits until it is there
  text:ID=TEXT      waits until it contains the text
  fill:ID=TEXT      replaces what a text field holds
  fill:ID=@FILE     likewise, from a file
  js:EXPRESSION     waits until it is true
  shot:FILE         takes a picture here as well
";

struct Options {
    out: PathBuf,
    viewport: Viewport,
    theme: Theme,
    reduced_motion: bool,
    path: String,
    steps: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let outcome = match parse(args) {
        Ok(options) => take(&options).await,
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("screenshot: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options {
        out: PathBuf::from("docs/screenshots/page.png"),
        viewport: Viewport::DESKTOP,
        theme: Theme::Light,
        reduced_motion: false,
        path: String::new(),
        steps: Vec::new(),
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--out" => options.out = value()?.into(),
            "--size" => options.viewport = size(&value()?)?,
            "--theme" => {
                options.theme = match value()?.as_str() {
                    "light" => Theme::Light,
                    "dark" => Theme::Dark,
                    other => return Err(format!("'{other}' is no theme: light or dark").into()),
                };
            }
            "--reduced-motion" => options.reduced_motion = true,
            "--path" => options.path = value()?,
            other if other.starts_with("--") => {
                return Err(format!("there is no option '{other}'\n\n{USAGE}").into());
            }
            step => options.steps.push(step.to_owned()),
        }
    }
    Ok(options)
}

fn size(text: &str) -> Result<Viewport> {
    let parsed = text
        .split_once('x')
        .and_then(|(width, height)| Some(Viewport { width: width.parse().ok()?, height: height.parse().ok()? }));
    parsed.ok_or_else(|| format!("'{text}' is no size: give it as 1440x900").into())
}

async fn take(options: &Options) -> Result {
    let page = Page::open(options.viewport, options.theme).await?;
    let outcome = follow(&page, options).await;
    page.close().await?;
    outcome
}

async fn follow(page: &Page, options: &Options) -> Result {
    if options.reduced_motion {
        page.set_reduced_motion().await?;
    }
    if !options.path.is_empty() {
        page.goto(&options.path).await?;
    }
    for step in &options.steps {
        perform(page, step).await.map_err(|failure| format!("at '{step}': {failure:?}"))?;
    }
    shoot(page, &options.out).await
}

async fn perform(page: &Page, step: &str) -> Result {
    let (verb, rest) = step.split_once(':').ok_or("a step is VERB:WHAT")?;
    let pair = || rest.split_once('=').ok_or("give it as ID=TEXT");
    match verb {
        "click" => page.click(rest).await,
        "wait" => page.find(rest).await.map(drop),
        "js" => page.wait_for_js(rest).await,
        "shot" => shoot(page, Path::new(rest)).await,
        "text" => {
            let (id, text) = pair()?;
            page.wait_for_text(id, text).await
        }
        "fill" => {
            let (id, text) = pair()?;
            match text.strip_prefix('@') {
                Some(file) => page.fill(id, &std::fs::read_to_string(file)?).await,
                None => page.fill(id, text).await,
            }
        }
        other => Err(format!("there is no step '{other}'").into()),
    }
}

async fn shoot(page: &Page, file: &Path) -> Result {
    page.screenshot(file).await?;
    println!("{}", file.display());
    Ok(())
}
