//! What the registries have: a line an image.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{Content, Image, Registry};
use crate::runtime::engine::FileTree;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const SIGQUIT: u8 = 3;
const SIGTERM: u8 = 15;
const SIGWINCH: u8 = 28;

/// Programs that come from the busybox module, in busybox itself and in images built on a distribution.
const TOOLS: &[&str] = &[
    "sh", "ash", "[", "base64", "basename", "cat", "clear", "cut", "date", "dirname", "echo", "env", "expr", "false",
    "grep", "head", "hostname", "id", "ls", "md5sum", "mkdir", "mktemp", "printenv", "printf", "ps", "pwd", "rm",
    "rmdir", "sed", "seq", "sleep", "sort", "stat", "tail", "tee", "test", "touch", "tr", "true", "uname", "uniq",
    "uptime", "wc", "which", "whoami", "yes",
];

/// Those that busybox has and a slim distribution lacks.
const NET_TOOLS: &[&str] = &["httpd", "nc", "nslookup", "wget", "vi", "time", "xargs"];

/// Releases of nginx: the tags that each is known by, newest first, and the sizes of both its flavours.
const NGINX: &[(&str, &[&str], u64)] = &[
    ("1.29.3", &["1.29", "1", "latest", "mainline"], 59_774_120),
    ("1.29.2", &[], 59_773_402),
    ("1.29.1", &[], 72_324_501),
    ("1.29.0", &[], 72_223_946),
    ("1.28.0", &["1.28", "stable"], 72_390_711),
    ("1.27.5", &["1.27"], 72_404_038),
    ("1.27.4", &[], 72_195_292),
    ("1.27.3", &[], 72_099_501),
    ("1.27.2", &[], 71_028_910),
    ("1.27.1", &[], 71_026_652),
    ("1.27.0", &[], 70_984_068),
    ("1.26.3", &["1.26"], 72_194_008),
    ("1.26.2", &[], 71_005_282),
    ("1.25.5", &["1.25"], 70_990_305),
    ("1.25.4", &[], 70_534_964),
    ("1.25.3", &[], 70_520_324),
    ("1.24.0", &["1.24"], 57_025_181),
    ("1.23.4", &["1.23"], 57_007_480),
    ("1.22.1", &["1.22"], 56_912_881),
    ("1.21.6", &["1.21"], 56_751_018),
    ("1.20.2", &["1.20"], 56_736_512),
    ("1.19.10", &["1.19"], 53_691_043),
    ("1.18.0", &["1.18"], 53_592_401),
    ("1.17.10", &["1.17"], 51_030_575),
    ("1.16.1", &["1.16"], 50_967_281),
    ("1.15.12", &["1.15"], 44_759_021),
    ("1.14.2", &["1.14"], 44_710_204),
    ("1.9.1", &["1.9"], 50_212_102),
    ("1.7.9", &["1.7"], 39_877_342),
];

const BUSYBOX: &[(&str, &[&str], u64)] = &[
    ("1.37.0", &["1.37", "1", "latest", "stable", "glibc", "musl", "uclibc"], 2_223_686),
    ("1.36.1", &["1.36"], 2_219_949),
    ("1.35.0", &["1.35"], 2_592_228),
    ("1.34.1", &["1.34"], 772_811),
    ("1.31.1", &["1.31"], 760_984),
    ("1.28.4", &["1.28"], 727_869),
    ("1.27.2", &["1.27"], 720_019),
];

const HTTPD: &[(&str, &[&str], u64)] =
    &[("2.4.65", &["2.4", "2", "latest"], 45_123_456), ("2.4.62", &[], 58_812_091), ("2.4.58", &[], 58_700_402)];

const REDIS: &[(&str, &[&str], u64)] = &[
    ("8.2.2", &["8.2", "8", "latest"], 52_611_204),
    ("7.4.5", &["7.4", "7"], 45_830_115),
    ("6.2.19", &["6.2", "6"], 41_501_337),
    ("5.0.14", &["5.0", "5", "5.0.4"], 39_016_250),
    ("3.2.12", &["3.2", "3", "3.2.11"], 27_408_811),
];

const PAUSE: &[(&str, u64)] = &[("3.10.1", 320_448), ("3.10", 320_368), ("3.9", 321_520), ("3.8", 311_286)];

/// The cluster's own components: repository, binary, tag, size.
const COMPONENTS: &[(&str, &str, &str, u64)] = &[
    ("kube-apiserver", "kube-apiserver", "v1.36.2", 27_800_412),
    ("kube-controller-manager", "kube-controller-manager", "v1.36.2", 23_400_981),
    ("kube-scheduler", "kube-scheduler", "v1.36.2", 17_650_280),
    ("kube-proxy", "kube-proxy", "v1.36.2", 26_110_774),
    ("etcd", "etcd", "3.6.6-0", 23_640_510),
    ("coredns/coredns", "coredns", "v1.13.1", 23_550_219),
    ("coredns/coredns", "coredns", "v1.14.2", 23_701_437),
];

/// Puts everything in.
pub(super) fn fill(registry: &mut Registry) {
    for (version, tags, size) in NGINX {
        let flavours = [("", *size, "docker.io/library/nginx"), ("-alpine", 21_300_000 + (*size & 0xffff), "")];
        for (flavour, size, _) in flavours {
            let image = nginx(version, flavour, size);
            let names = tags.iter().map(|tag| match (flavour, *tag) {
                ("", tag) => tag.to_owned(),
                (_, "latest") => "alpine".to_owned(),
                (flavour, tag) => format!("{tag}{flavour}"),
            });
            add(registry, image, names);
        }
    }
    for (version, tags, size) in BUSYBOX {
        for repository in ["docker.io/library/busybox", "registry.k8s.io/busybox"] {
            let mut image = plain(repository, version, *size);
            tools(&mut image, TOOLS);
            tools(&mut image, NET_TOOLS);
            image.cmd = strings(&["sh"]);
            add(registry, image, tags.iter().map(|tag| (*tag).to_owned()));
        }
    }
    for (version, tags, size) in HTTPD {
        add(registry, httpd(version, *size), tags.iter().map(|tag| (*tag).to_owned()));
    }
    for (version, tags, size) in REDIS {
        add(registry, redis(version, *size), tags.iter().map(|tag| (*tag).to_owned()));
    }
    for (version, size) in PAUSE {
        let mut image = plain("registry.k8s.io/pause", version, *size);
        image.programs = vec![("pause".to_owned(), "pause".to_owned())];
        image.entrypoint = strings(&["/pause"]);
        image.user = Some(65_535);
        add(registry, image, std::iter::empty());
    }
    let mut stress = plain("docker.io/polinux/stress", "1.0.4", 4_041_495);
    stress.programs = vec![("stress".to_owned(), "stress".to_owned())];
    tools(&mut stress, TOOLS);
    stress.cmd = strings(&["/bin/sh"]);
    add(registry, stress, ["latest".to_owned()].into_iter());
    for (repository, binary, tag, size) in COMPONENTS {
        let mut image = plain(&format!("registry.k8s.io/{repository}"), tag, *size);
        image.content = Content::Component(binary);
        image.entrypoint = if *binary == "coredns" { strings(&["/coredns"]) } else { Vec::new() };
        add(registry, image, std::iter::empty());
    }
}

fn add(registry: &mut Registry, image: Image, tags: impl Iterator<Item = String>) {
    let version = image.tag.clone();
    let image = Rc::new(image);
    registry.tag(image.clone(), &version);
    tags.for_each(|tag| registry.tag(image.clone(), &tag));
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn env(variables: &[(&str, &str)]) -> Rc<[(String, String)]> {
    let path = ("PATH".to_owned(), PATH.to_owned());
    let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    std::iter::once(path).chain(own).collect()
}

/// A digest that nothing else has.
fn digest(parts: &[&str]) -> String {
    use std::fmt::Write;
    let hash = Sha256::digest(parts.join("\0").as_bytes());
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn plain(repository: &str, tag: &str, size_bytes: u64) -> Image {
    Image {
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        digest: digest(&["manifest", repository, tag]),
        id: digest(&["config", repository, tag]),
        size_bytes,
        content: Content::Modules,
        programs: Vec::new(),
        fallback: None,
        entrypoint: Vec::new(),
        cmd: Vec::new(),
        env: env(&[]),
        working_dir: Rc::from("/"),
        exposed_ports: Vec::new(),
        stop_signal: SIGTERM,
        user: None,
        files: Rc::default(),
    }
}

fn tools(image: &mut Image, names: &[&str]) {
    let module = |name: &&str| ((*name).to_owned(), "busybox".to_owned());
    image.programs.extend(names.iter().map(module));
}

fn nginx(version: &str, flavour: &str, size: u64) -> Image {
    let mut image = plain("docker.io/library/nginx", &format!("{version}{flavour}"), size);
    image.programs = ["nginx", "docker-entrypoint.sh"].map(|name| (name.to_owned(), "nginx".to_owned())).to_vec();
    tools(&mut image, TOOLS);
    let system = if flavour.is_empty() {
        image.programs.push(("curl".to_owned(), "busybox".to_owned()));
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n"
    } else {
        tools(&mut image, NET_TOOLS);
        image.programs.push(("curl".to_owned(), "busybox".to_owned()));
        "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.22.2\nPRETTY_NAME=\"Alpine Linux v3.22\"\n"
    };
    image.entrypoint = strings(&["/docker-entrypoint.sh"]);
    image.cmd = strings(&["nginx", "-g", "daemon off;"]);
    image.env = env(&[("NGINX_VERSION", version), ("PKG_RELEASE", "1")]);
    image.exposed_ports = vec![80];
    image.stop_signal = SIGQUIT;
    let page = |text: &str| text.replace("{version}", version);
    let tree = FileTree::default()
        .with("/usr/share/nginx/html/index.html", page(include_str!("../../../../images/nginx/index.html")).as_bytes())
        .with("/usr/share/nginx/html/50x.html", include_bytes!("../../../../images/nginx/50x.html"))
        .with("/etc/nginx/nginx.conf", include_bytes!("../../../../images/nginx/nginx.conf"))
        .with("/etc/nginx/conf.d/default.conf", include_bytes!("../../../../images/nginx/default.conf"))
        .with("/etc/os-release", system.as_bytes());
    image.files = Rc::new(tree);
    image
}

fn httpd(version: &str, size: u64) -> Image {
    let mut image = plain("docker.io/library/httpd", version, size);
    image.programs = ["httpd", "httpd-foreground"].map(|name| (name.to_owned(), "httpd".to_owned())).to_vec();
    tools(&mut image, TOOLS);
    image.cmd = strings(&["httpd-foreground"]);
    image.env = env(&[("HTTPD_PREFIX", "/usr/local/apache2"), ("HTTPD_VERSION", version)]);
    image.working_dir = Rc::from("/usr/local/apache2");
    image.exposed_ports = vec![80];
    image.stop_signal = SIGWINCH;
    let page = b"<html><body><h1>It works!</h1></body></html>\n";
    image.files = Rc::new(FileTree::default().with("/usr/local/apache2/htdocs/index.html", page));
    image
}

fn redis(version: &str, size: u64) -> Image {
    let mut image = plain("docker.io/library/redis", version, size);
    image.programs = ["redis-server", "redis-cli", "docker-entrypoint.sh"]
        .map(|name| (name.to_owned(), "redis".to_owned()))
        .to_vec();
    tools(&mut image, TOOLS);
    image.entrypoint = strings(&["docker-entrypoint.sh"]);
    image.cmd = strings(&["redis-server"]);
    image.env = env(&[("REDIS_VERSION", version)]);
    image.working_dir = Rc::from("/data");
    image.exposed_ports = vec![6379];
    image.files = Rc::new(FileTree::default().with("/data/.keep", b""));
    image
}
