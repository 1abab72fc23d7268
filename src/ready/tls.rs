//! TLS to the server under test: whose certificates count, and what is wrong with one that does not.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::duplex::Duplex;

/// Whose certificates count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// Those of a CA that this system trusts.
    System,
    /// Any.
    Everyone,
}

/// How a URL is reached by TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tls {
    /// The name that the certificate must be for.
    pub(crate) name: String,
    pub(crate) trust: Trust,
}

impl Tls {
    /// Begins TLS on a connection.
    ///
    /// # Errors
    /// When the certificate does not count, or the other end does not speak TLS.
    pub(crate) async fn begin(&self, stream: Box<dyn Duplex>) -> io::Result<Box<dyn Duplex>> {
        let name = ServerName::try_from(self.name.clone())
            .map_err(|_| io::Error::other(format!("no certificate can be for {}", self.name)))?;
        let connector = TlsConnector::from(configuration(self.trust)?);
        let stream = connector.connect(name, stream).await.map_err(|error| self.explained(error))?;
        Ok(Box::new(stream))
    }

    fn explained(&self, error: io::Error) -> io::Error {
        let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        of_tls.and_then(|error| self.problem(error)).map_or(error, io::Error::other)
    }

    /// What is wrong, with the remedy.
    fn problem(&self, error: &Error) -> Option<String> {
        let why = match error {
            Error::InvalidCertificate(why) => why,
            Error::InvalidMessage(_) => return Some("no TLS is spoken there: use http://".to_owned()),
            _ => return None,
        };
        let (what, remedy) = match why {
            CertificateError::UnknownIssuer => (
                "is by no CA that this system trusts (self-signed?)".to_owned(),
                "add its CA to the system's",
            ),
            // What `openssl req -x509` makes by default.
            CertificateError::Other(_) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
                ("is that of a CA itself (self-signed)".to_owned(), "have a CA sign one for the server")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("has expired".to_owned(), "renew it")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("is not valid yet".to_owned(), "compare the clocks")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (format!("is not for {}{}", self.name, presented(why)), "use its name in the URL")
            }
            _ => (format!("does not count ({error})"), "make a new one"),
        };
        Some(format!("its certificate {what}: {remedy}, or give --insecure"))
    }
}

/// `, but for a.example and b.example`
fn presented(why: &CertificateError) -> String {
    match why {
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            format!(", but for {}", presented.join(" and "))
        }
        _ => String::new(),
    }
}

fn configuration(trust: Trust) -> io::Result<Arc<ClientConfig>> {
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    static EVERYONE: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let kept = if trust == Trust::System { &SYSTEM } else { &EVERYONE };
    if let Some(known) = kept.get() {
        return Ok(known.clone());
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?;
    let configuration = match trust {
        Trust::System => builder.with_root_certificates(roots()?).with_no_client_auth(),
        Trust::Everyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Any(provider)))
            .with_no_client_auth(),
    };
    Ok(kept.get_or_init(|| Arc::new(configuration)).clone())
}

/// The CAs that this system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
fn roots() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why = "this system has no CAs to trust: install ca-certificates, or give --insecure";
        return Err(io::Error::other(why));
    }
    Ok(roots)
}

/// Takes any certificate. That the other end has its key is checked all the same.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
