//! The certificate authority that is made at each start, what it signs, and who a client's certificate says that it is.

use std::net::IpAddr;
use std::sync::Arc;

use podarium_core::apiserver::User;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName as Name, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Certificates hold from a day ago, for clients whose clocks are behind, and for a year, as kubeadm's.
const VALID_BEFORE_S: i64 = 24 * 3600;
const VALID_FOR_S: i64 = 365 * 24 * 3600;

/// Who the administrator's certificate says that they are.
const ADMIN: (&str, [&str; 2]) = ("kubernetes-admin", ["kubeadm:cluster-admins", "system:masters"]);

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What its certificate says.
    pub certificate: Certificate,
}

/// What a client showed for a certificate.
#[derive(Clone, Debug, PartialEq)]
pub enum Certificate {
    /// None.
    Absent,
    /// One that our authority signed for this user.
    Of(User),
    /// One that does not hold.
    Invalid,
}

/// A certificate and its key, as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// What TLS needs: all of one authority.
pub struct Authority {
    /// The authority's certificate as PEM.
    pub certificate: String,
    /// The administrator's.
    pub admin: Pair,
    acceptor: TlsAcceptor,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Authority {
    /// A new authority, and a server's certificate for an address and the names that api-servers go by.
    pub fn new(listen: IpAddr) -> Result<Self, String> {
        Self::make(listen).map_err(|e| format!("cannot make certificates: {e}"))
    }

    fn make(listen: IpAddr) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let ca_key = KeyPair::generate()?;
        let mut ca = params(Vec::new(), "kubernetes", &[])?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let server_key = KeyPair::generate()?;
        let mut server = params(server_names(listen), "kube-apiserver", &[])?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_certificate = server.signed_by(&server_key, &issuer)?;

        let admin_key = KeyPair::generate()?;
        let mut admin = params(Vec::new(), ADMIN.0, &ADMIN.1)?;
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let admin_certificate = admin.signed_by(&admin_key, &issuer)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(ca_certificate.der().clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(Lenient(verifier.clone())))
            .with_single_cert(vec![server_certificate.der().clone(), ca_certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Authority {
            certificate: ca_certificate.pem(),
            admin: Pair { certificate: admin_certificate.pem(), key: admin_key.serialize_pem() },
            acceptor: TlsAcceptor::from(Arc::new(config)),
            verifier,
        })
    }

    /// What takes connections.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Who a client's chain of certificates says that it is.
    pub fn identify(&self, chain: Option<&[CertificateDer<'_>]>) -> Certificate {
        let Some((leaf, intermediates)) = chain.and_then(<[_]>::split_first) else { return Certificate::Absent };
        if self.verifier.verify_client_cert(leaf, intermediates, UnixTime::now()).is_err() {
            return Certificate::Invalid;
        }
        user_of(leaf).map_or(Certificate::Invalid, Certificate::Of)
    }
}

fn params(names: Vec<String>, name: &str, groups: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut subject = DistinguishedName::new();
    // rcgen keeps one value a type: a second organisation is another type with the same number.
    for (i, group) in groups.iter().enumerate() {
        let kind = if i == 0 { DnType::OrganizationName } else { DnType::CustomDnType(vec![2, 5, 4, 10]) };
        subject.push(kind, *group);
    }
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    // The start of the day in which an instant lies.
    let at = |unix_s: i64| {
        let zoned = jiff::Timestamp::from_second(unix_s).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
        rcgen::date_time_ymd(i32::from(zoned.year()), zoned.month().unsigned_abs(), zoned.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (at(now - VALID_BEFORE_S), at(now + VALID_FOR_S));
    Ok(params)
}

/// What a kubeadm api-server's certificate is good for, and where this one listens.
fn server_names(listen: IpAddr) -> Vec<String> {
    let mut names: Vec<String> = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "127.0.0.1",
        "::1",
        "10.96.0.1",
    ]
    .map(str::to_owned)
    .to_vec();
    let listen = listen.to_string();
    if !names.contains(&listen) {
        names.push(listen);
    }
    names
}

/// The user that a certificate's subject names. Models `CommonNameUserConversion`.
fn user_of(certificate: &CertificateDer<'_>) -> Option<User> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let subject = parsed.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups = subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    (!name.is_empty()).then(|| User { name, groups, ..User::default() })
}

/// Lets every certificate through the handshake, as upstream does: one that does not hold gets a 401, which says more than a
/// broken connection.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[Name] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
