//! What `kew dev` tells when it is ready: addresses and ids, lines to paste, and the same settings as a file.
//!
//! The two families of clients read the base URL under different names (clients-and-workers §1.1, §2), so both are
//! written. The round trip needs nothing but bash, curl and sed.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use kew_model::{AccountId, Queue};

/// What to tell.
#[derive(Debug)]
pub(super) struct Notice {
    /// Where the server listens.
    pub(super) address: SocketAddr,
    /// The account.
    pub(super) account: AccountId,
    /// The token that everybody knows.
    pub(super) token: &'static str,
    /// All queues of the account.
    pub(super) queues: Vec<Arc<Queue>>,
    /// The queue of the round trip.
    pub(super) shown: Option<Arc<Queue>>,
}

impl Notice {
    /// The lines of `dev.env`: plain `NAME=value`, for `source` and for wrangler's `.env`.
    pub(super) fn environment(&self) -> String {
        self.settings().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// The text for the terminal; `file` is where [`Notice::environment`] stands.
    pub(super) fn text(&self, file: &Path) -> String {
        let mut out = String::from("Kew is ready.\n\n");
        let mut line = |name: &str, value: &dyn core::fmt::Display| {
            // Writing to a text cannot fail.
            let _ = writeln!(out, "  {name:<12}{value}");
        };
        line("base URL", &self.base_url());
        line("account id", &self.account);
        line("token", &self.token);
        for queue in &self.queues {
            line("queue id", &format_args!("{}  ({})", queue.id, queue.name));
        }
        match &self.shown {
            Some(queue) => self.write_round_trip(&mut out, queue),
            None => out.push_str(
                "\nThere is no queue yet: start again with --queue NAME, or create one over HTTP.\n",
            ),
        }
        let (plain, quoted) = (file.display(), quoted(file));
        let _ = write!(
            out,
            "\nClients (the same settings are in {plain}: set -a; source {quoted}; set +a)\n\n\
             \x20 # Python SDK and TypeScript SDK read CLOUDFLARE_BASE_URL, wrangler CLOUDFLARE_API_BASE_URL\n"
        );
        for (name, value) in self.settings() {
            let _ = writeln!(out, "  export {name}={value}");
        }
        out.push_str("\nStop with Ctrl-C; queues and messages stay.");
        out
    }

    fn write_round_trip(&self, out: &mut String, queue: &Queue) {
        let messages = format!("{}/accounts/{}/queues/{}/messages", self.base_url(), self.account, queue.id);
        let _ = write!(
            out,
            "\nPush, pull and ack with curl\n\n\
             \x20 MESSAGES={messages}\n\
             \x20 AUTH='Authorization: Bearer {token}'\n\
             \x20 curl -s \"$MESSAGES\" -H \"$AUTH\" -d '{{\"body\":\"hello\",\"content_type\":\"text\"}}'; echo\n\
             \x20 PULLED=$(curl -s \"$MESSAGES/pull\" -H \"$AUTH\" -d '{{\"batch_size\":1}}'); echo \"$PULLED\"\n\
             \x20 LEASE=$(echo \"$PULLED\" | sed -n 's/.*\"lease_id\":\"\\([^\"]*\\)\".*/\\1/p')\n\
             \x20 curl -s \"$MESSAGES/ack\" -H \"$AUTH\" -d '{{\"acks\":[{{\"lease_id\":\"'\"$LEASE\"'\"}}]}}'; echo\n",
            token = self.token,
        );
    }

    fn base_url(&self) -> String {
        format!("http://{}/client/v4", self.address)
    }

    fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![
            ("CLOUDFLARE_BASE_URL".to_owned(), self.base_url()),
            ("CLOUDFLARE_API_BASE_URL".to_owned(), self.base_url()),
            ("CLOUDFLARE_API_TOKEN".to_owned(), self.token.to_owned()),
            ("CLOUDFLARE_ACCOUNT_ID".to_owned(), self.account.to_string()),
        ];
        for queue in &self.queues {
            let name = queue.name.as_str().to_ascii_uppercase().replace('-', "_");
            settings.push((format!("KEW_QUEUE_ID_{name}"), queue.id.to_string()));
        }
        settings
    }
}

/// A path as one word of a shell, quoted where it has to be.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    if path.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter)) {
        return path;
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        let quoted = |path| quoted(Path::new(path));
        assert_eq!(quoted("./.kew/dev.env"), "./.kew/dev.env");
        assert_eq!(quoted("my store/dev.env"), "'my store/dev.env'");
        assert_eq!(quoted("$it's/dev.env"), r"'$it'\''s/dev.env'");
    }
}
