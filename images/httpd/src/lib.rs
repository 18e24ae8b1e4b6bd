//! Apache httpd: serves `htdocs` and logs in the common format.

use std::net::IpAddr;

use podarium_guest::http::{self, Bad, Request, Response};
use podarium_guest::time::Date;
use podarium_guest::{fs, io, main, net, process, spawn};

const ROOT: &str = "/usr/local/apache2/htdocs";

main!(async {
    let version = process::env("HTTPD_VERSION").unwrap_or_else(|| "2.4.65".to_owned());
    if process::args().iter().any(|arg| arg == "-v") {
        io::print(&format!("Server version: Apache/{version} (Unix)\n"));
        return 0;
    }
    let Ok(listener) = net::listen(80) else {
        io::eprint("(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80\n");
        return 1;
    };
    process::handle_signals(&[process::SIGTERM, process::SIGINT, 28]);
    io::eprint(&format!(
        "{} [mpm_event:notice] [pid 1:tid 1] AH00489: Apache/{version} (Unix) configured -- resuming normal operations\n\
         {} [core:notice] [pid 1:tid 1] AH00094: Command line: 'httpd -D FOREGROUND'\n",
        time(),
        time()
    ));
    let server = format!("Apache/{version} (Unix)");
    spawn(async move {
        while let Ok((stream, peer, _)) = listener.accept().await {
            let server = server.clone();
            spawn(async move {
                let _ = http::serve(stream, peer, &server, 5, async |request, peer| answer(request, peer)).await;
            });
        }
    });
    let signal = process::signal().await;
    let words = if signal == 28 {
        "AH00492: caught SIGWINCH, shutting down gracefully"
    } else {
        "AH00491: caught SIGTERM, shutting down"
    };
    io::eprint(&format!("{} [mpm_event:notice] [pid 1:tid 1] {words}\n", time()));
    0
});

/// As Apache's error log has it.
fn time() -> String {
    let d = Date::now();
    format!(
        "[{} {} {:02} {:02}:{:02}:{:02}.000000 {}]",
        d.weekday_name(),
        d.month_name(),
        d.day,
        d.hour,
        d.minute,
        d.second,
        d.year
    )
}

fn page(status: u16, words: &str) -> Response {
    let reason = if status == 405 { "Method Not Allowed" } else { http::reason(status) };
    let body = format!(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>{status} {reason}</title>\n</head><body>\n\
         <h1>{reason}</h1>\n<p>{words}</p>\n</body></html>\n"
    );
    Response {
        status,
        headers: vec![("Content-Type", "text/html; charset=iso-8859-1".to_owned())],
        body: body.into_bytes(),
    }
}

fn answer(request: Result<Request, Bad>, peer: IpAddr) -> Response {
    let (line, response) = match &request {
        Ok(request) => (format!("{} {} {}", request.method, request.target, request.version), file(request)),
        Err(Bad(status)) => {
            ("-".to_owned(), page(*status, "Your browser sent a request that this server could not understand."))
        }
    };
    let d = Date::now();
    io::print(&format!(
        "{peer} - - [{:02}/{}/{}:{:02}:{:02}:{:02} +0000] \"{line}\" {} {}\n",
        d.day,
        d.month_name(),
        d.year,
        d.hour,
        d.minute,
        d.second,
        response.status,
        response.body.len()
    ));
    response
}

fn file(request: &Request) -> Response {
    if request.method != "GET" && request.method != "HEAD" {
        return page(405, &format!("The requested method {} is not allowed for this URL.", request.method));
    }
    let Some(path) = request.path() else { return page(400, "Your browser sent a bad request.") };
    let mut name = format!("{ROOT}{path}");
    if matches!(fs::stat(name.trim_end_matches('/')), Ok((fs::Kind::Directory, _))) {
        name = format!("{}/index.html", name.trim_end_matches('/'));
    }
    match fs::read(&name) {
        Ok(body) => Response {
            status: 200,
            headers: vec![
                ("Accept-Ranges", "bytes".to_owned()),
                ("Content-Type", http::content_type(&name).to_owned()),
            ],
            body,
        },
        Err(_) => page(404, "The requested URL was not found on this server."),
    }
}
