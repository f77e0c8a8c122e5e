"""Who one is, as the SDK asks for it."""

import cloudflare

from cases.house import Case


class Identity(Case):
    def test_accounts(self):
        (account,) = self.client.accounts.list()
        self.assertEqual((account.id, account.type), (self.account, "standard"))
        self.assertEqual(self.client.accounts.get(account_id=self.account).to_dict(), account.to_dict())
        self.assertEqual(list(self.client.accounts.list(name=account.name)), [account])
        self.assertEqual(list(self.client.accounts.list(name="no account of this name")), [])

    def test_tokens_verify(self):
        verified = self.client.user.tokens.verify()
        self.assertEqual((verified.status, verified.expires_on), ("active", None))
        self.assertRegex(verified.id, "^[0-9a-f]{32}$")
        of_account = self.client.accounts.tokens.verify(account_id=self.account)
        self.assertEqual(of_account.to_dict(), verified.to_dict())

    def test_tokens_verify_unknown(self):
        stranger = self.client.with_options(api_token="a-token-that-nobody-has")
        self.refused(cloudflare.AuthenticationError, 10000, stranger.user.tokens.verify)

    def test_user(self):
        self.assertEqual(self.client.user.get().email, "developer@localhost")

    def test_memberships(self):
        (membership,) = self.client.memberships.list()
        self.assertEqual((membership.account.id, membership.status), (self.account, "accepted"))
        self.assertTrue(membership.roles)
