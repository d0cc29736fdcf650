"""An OpenID provider in a process of its own, for the tests to sign in at: `python -m tests.browser.provider PORT`."""

import os
import sys
import time
import warnings

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # it speaks http, on this machine alone
warnings.simplefilter("ignore")

import oidc_provider_mock as mock  # noqa: E402

PEOPLE = {
    "lea": {"email": "lea@example.org", "email_verified": True, "name": "Lea"},
    "ann": {"email": "ann@else.org", "email_verified": True, "groups": ["staff"]},
    "vic": {"email": "vic@example.org", "email_verified": True},
    "eve": {"email": "eve@evil.example", "email_verified": True},
    "mal": {"email": "lea@example.org", "email_verified": False},
}

if __name__ == "__main__":
    users = [mock.User(sub=name, claims=claims) for name, claims in PEOPLE.items()]
    with mock.run_server_in_thread(port=int(sys.argv[1]), user_claims=users):
        while True:
            time.sleep(60)
