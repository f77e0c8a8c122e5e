//! `kew serve` with a certificate, and commands that ask it.

use std::path::{Path, PathBuf};
use std::process::Output;

use rustix::process::Signal;

use crate::kew::{Kew, command, complaint, folder, printed, run};

/// Writes a new certificate for 127.0.0.1 and its key over those in a folder.
pub(crate) fn certify(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

fn serve(folder: &Path) -> Kew {
    let (certificate, key) = certify(folder);
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    Kew::serve(folder, &["--tls-certificate", certificate, "--tls-key", key])
}

/// Lists the queues, trusting the certificate in a file.
fn list(kew: &Kew, folder: &Path, trusted: &Path) -> Output {
    let (url, token) = (kew.url.as_str(), kew.file("admin.token"));
    let arguments = ["queues", "list", "--json", "--url", url, "--token-file", token.to_str().unwrap()];
    run(folder, &[&arguments[..], &["--ca-file", trusted.to_str().unwrap()]].concat())
}

#[test]
fn commands_ask_an_encrypted_server_that_shows_its_new_certificate_after_a_signal() {
    let folder = folder();
    let kew = serve(folder.path());
    assert!(kew.url.starts_with("https://"), "{}", kew.notice);
    let (current, former) = (folder.path().join("server.pem"), folder.path().join("former.pem"));
    std::fs::copy(&current, &former).unwrap();
    assert_eq!(printed(&list(&kew, folder.path(), &former)).trim(), "[]");

    // When the files hold another pair, and the server is told
    certify(folder.path());
    kew.signal(Signal::HUP);
    kew.log_line("the certificate was read again");
    // Then only who trusts that one is served
    assert_eq!(printed(&list(&kew, folder.path(), &current)).trim(), "[]");
    let refused = complaint(&list(&kew, folder.path(), &former));
    assert!(refused.contains("give it with --ca-file"), "{refused}");

    // And what cannot be read changes nothing
    std::fs::write(folder.path().join("server.key"), "no key").unwrap();
    kew.signal(Signal::HUP);
    let line = kew.log_line("the former one stays");
    assert!(line.contains("no private key in PEM form"), "{line}");
    assert_eq!(printed(&list(&kew, folder.path(), &current)).trim(), "[]");
    kew.stop();
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_before_the_store_is_made() {
    let folder = folder();
    let (certificate, key) = certify(folder.path());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let refused =
        complaint(&run(folder.path(), &["serve", "--tls-certificate", "gone.pem", "--tls-key", key]));
    assert!(refused.starts_with("kew: tls_certificate: cannot read gone.pem: "), "{refused}");
    let refused =
        complaint(&run(folder.path(), &["serve", "--tls-certificate", certificate, "--tls-key", "gone.key"]));
    assert!(refused.starts_with("kew: tls_key: cannot read gone.key: "), "{refused}");
    let refused =
        complaint(&run(folder.path(), &["serve", "--tls-certificate", key, "--tls-key", certificate]));
    assert!(refused.contains("no certificate chain in PEM form"), "{refused}");
    let other = self::folder();
    let (_, foreign) = certify(other.path());
    let foreign = foreign.to_str().unwrap();
    let refused =
        complaint(&run(folder.path(), &["serve", "--tls-certificate", certificate, "--tls-key", foreign]));
    assert!(refused.contains("the certificate and the key cannot be used: "), "{refused}");
    assert_eq!(refused.matches("KeyMismatch").count(), 1, "said once: {refused}");
    let refused = complaint(&run(folder.path(), &["serve", "--tls-key", key]));
    assert_eq!(refused, "kew: tls_key (--tls-key): needs tls_certificate, too\n");
    let lonely = command(folder.path(), &["serve"]).env("KEW_TLS_CERTIFICATE", certificate).output().unwrap();
    assert_eq!(complaint(&lonely), "kew: tls_certificate (KEW_TLS_CERTIFICATE): needs tls_key, too\n");
    assert!(!folder.path().join("kew-data").exists());
}

#[test]
fn other_machines_are_served_with_encryption_or_when_asked_for_in_so_many_words() {
    let folder = folder();
    let refused = complaint(&run(folder.path(), &["serve", "--listen", "0.0.0.0:0"]));
    assert!(refused.contains("nothing would be encrypted: give --tls-certificate"), "{refused}");
    // With encryption it is the certificate that is looked at next.
    let encrypted =
        ["serve", "--listen", "0.0.0.0:0", "--tls-certificate", "gone.pem", "--tls-key", "gone.key"];
    let refused = complaint(&run(folder.path(), &encrypted));
    assert!(refused.contains("cannot read gone.pem"), "{refused}");
}
