use super::*;

#[test]
fn references_are_completed_and_refused_as_upstream_does() {
    let cases = [
        ("nginx", Ok("docker.io/library/nginx:latest")),
        ("nginx:1.27", Ok("docker.io/library/nginx:1.27")),
        ("docker.io/nginx", Ok("docker.io/library/nginx:latest")),
        ("index.docker.io/library/nginx", Ok("docker.io/library/nginx:latest")),
        ("someone/thing:v1", Ok("docker.io/someone/thing:v1")),
        ("registry.k8s.io/pause:3.10", Ok("registry.k8s.io/pause:3.10")),
        ("localhost/x", Ok("localhost/x:latest")),
        ("localhost:5000/x/y", Ok("localhost:5000/x/y:latest")),
        ("a__b/c-----d.e", Ok("docker.io/a__b/c-----d.e:latest")),
        (
            "nginx:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            Ok("docker.io/library/nginx:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ),
        ("Nginx", Err("invalid reference format: repository name (library/Nginx) must be lowercase")),
        ("", Err("invalid reference format")),
        ("nginx:", Err("invalid reference format")),
        ("nginx: latest", Err("invalid reference format")),
        ("nginx@sha256:12", Err("invalid reference format")),
        ("nginx:a:b", Err("invalid reference format")),
        ("-nginx", Err("invalid reference format")),
        ("a..b", Err("invalid reference format")),
        ("docker.io/", Err("invalid reference format")),
    ];
    for (text, expected) in cases {
        let found = Reference::parse(text);
        match expected {
            Ok(full) => assert_eq!(found.map(|r| r.to_string()), Ok(full.to_owned()), "{text}"),
            Err(words) => assert_eq!(found.map_err(|e| e.to_string()), Err(words.to_owned()), "{text}"),
        }
    }
}

#[test]
fn what_is_not_there_is_told_in_containerds_words() {
    let registry = Registry::standard();
    let message = |text: &str| {
        let reference = Reference::parse(text).unwrap();
        registry.resolve(&reference).map(|image| image.tag.clone()).map_err(|error| error.message(&reference))
    };
    assert_eq!(message("nginx:1.27"), Ok("1.27.5".to_owned()));
    assert_eq!(message("nginx:alpine"), Ok("1.29.3-alpine".to_owned()));
    assert_eq!(
        message("nosuch"),
        Err("failed to pull and unpack image \"docker.io/library/nosuch:latest\": failed to resolve reference \
             \"docker.io/library/nosuch:latest\": pull access denied, repository does not exist or may require \
             authorization: server message: insufficient_scope: authorization failed"
            .to_owned())
    );
    assert_eq!(
        message("nginx:no"),
        Err("failed to pull and unpack image \"docker.io/library/nginx:no\": failed to resolve reference \
             \"docker.io/library/nginx:no\": docker.io/library/nginx:no: not found"
            .to_owned())
    );
    assert!(message("nowhere.example/x:1").unwrap_err().ends_with("dial tcp: lookup nowhere.example: no such host"));
    let nginx = registry.resolve(&Reference::parse("nginx").unwrap()).unwrap();
    let by_digest = Reference::parse(&nginx.repo_digest()).unwrap();
    assert_eq!(registry.resolve(&by_digest).unwrap().tag, nginx.tag);
}

#[test]
fn commands_and_arguments_combine_with_the_images() {
    let registry = Registry::standard();
    let nginx = registry.resolve(&Reference::parse("nginx").unwrap()).unwrap();
    let line = |command: &[&str], args: &[&str]| {
        let own = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        nginx.command_line(&own(command), &own(args)).join(" ")
    };
    assert_eq!(line(&[], &[]), "/docker-entrypoint.sh nginx -g daemon off;");
    assert_eq!(line(&["sh"], &[]), "sh");
    assert_eq!(line(&[], &["-v"]), "/docker-entrypoint.sh -v");
    assert_eq!(line(&["sh", "-c"], &["x"]), "sh -c x");
}
