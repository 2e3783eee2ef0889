"""Tokens that their issuer's prefix identifies, followed by characters of a set.

The columns are the kind, the prefixes, the shortest length seen behind them, the character set, and
a text that looks similar and is not masked. To add a format, add a line: the example is generated.
"""

from __future__ import annotations

from opensync_hooks.privacy.redaction.patterns import (
    ALNUM,
    BASE64,
    HEX,
    LOWER,
    UPPER,
    URLSAFE,
    at_word,
    body,
)
from opensync_hooks.privacy.redaction.rule import Example, Rule, fill, token

TOKENS: tuple[Rule, ...] = (
    # clouds and hosting
    *token("google-api-key", "AIza", 35, URLSAFE, "AIzawa"),
    *token("google-client-secret", "GOCSPX-", 28, URLSAFE, "GOCSPX-none"),
    *token("google-access-token", "ya29.", 30, URLSAFE + ".", "ya29.pdf and on"),
    *token("google-refresh-token", "1//0", 40, URLSAFE, "1//04 of it"),
    *token("aws-bedrock-key", "ABSK", 100, BASE64, "ABSKALE"),
    *token("aws-session-token", "IQoJb3JpZ2lu FwoGZXIvYXdz", 80, BASE64, "IQoJb3 is base64"),
    *token("alibaba-access-key", "LTAI", 16, ALNUM, "LTAIR"),
    *token("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", 64, HEX, "dop_v1_tokens are long"),
    *token("heroku-api-key", "HRKU-", 36, URLSAFE, "HRKU-1 is a ticket"),
    *token("flyio-token", "fo1_ fm1r_ fm1a_ fm2_", 43, BASE64, "fm2_player(1)"),
    *token("vercel-token", "vcp_ vci_ vca_ vcr_ vck_", 24, ALNUM, "vck_id = 4"),
    *token("vercel-blob-token", "vercel_blob_rw_", 30, ALNUM + "_", "vercel_blob_rw_mode on"),
    *token("netlify-token", "nfp_ nfc_ nfo_ nfu_ nfb_", 36, ALNUM, "nfc_reader and more"),
    *token("cloudflare-token", "cfut_ cfat_ cfk_", 40, ALNUM, "cfk_value = 1"),
    *token("cloudflare-ca-key", "v1.0-", 140, HEX + "-", "v1.0-beta"),
    *token("supabase-token", "sbp_ sbp_oauth_", 40, HEX, "sbp_config = 1"),
    *token("supabase-secret-key", "sb_secret_", 30, URLSAFE, "sb_secret_key = 1"),
    *token("planetscale-token", "pscale_tkn_ pscale_pw_ pscale_oauth_", 32, URLSAFE, "pscale_pw_1"),
    *token("neon-api-key", "napi_", 60, LOWER, "napi_create_function(env)", at_word_only=True),
    *token("databricks-token", "dapi", 32, HEX, "dapi = 4", at_word_only=True),
    *token("render-api-key", "rnd_", 28, ALNUM, "rnd_state = 42", at_word_only=True),
    *token("scaleway-access-key", "SCW", 17, UPPER, "SCW_ACCESS_KEY is needed", at_word_only=True),
    # secret managers
    *token("vault-token", "hvs. hvb. hvr.", 24, URLSAFE, "hvs.read(path)"),
    *token(
        "doppler-token",
        "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.",
        40,
        URLSAFE + ".",
        "dp.pt.x",
    ),
    *token("1password-token", "ops_eyJ", 100, URLSAFE, "ops_eyJ is its prefix"),
    *token("pulumi-token", "pul-", 40, HEX, "pul-de-sac"),
    *token("age-secret-key", "AGE-SECRET-KEY-1", 58, UPPER, "AGE-SECRET-KEY-1 begins it"),
    *token("opensync-key", "osk_", 20, URLSAFE, "osk_prefix = 1"),
    # code hosts and package registries
    *token("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", 36, ALNUM, "ghp_token_name"),
    *token("github-token", "github_pat_", 60, ALNUM + "_", "github_pat_path = 1"),
    *token(
        "gitlab-token",
        "glpat- gldt- glrt- glcbt- glptt- glft- glimt- glagent- glsoat- gloas-",
        20,
        URLSAFE + ".",
        "glpat- is the prefix",
    ),
    *token("gitlab-runner-token", "GR1348941", 20, URLSAFE, "GR1348941 begins it"),
    *token("bitbucket-token", "ATBB", 28, ALNUM, "ATBBQ"),
    *token("atlassian-token", "ATATT3xFf ATCTT3xFf", 60, BASE64, "ATATT3xFf begins it"),
    *token("npm-token", "npm_", 36, ALNUM, "npm_config_registry=x"),
    *token("pypi-token", "pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBp", 50, URLSAFE, "pypi-AgEI"),
    *token("rubygems-key", "rubygems_", 48, HEX, "rubygems_version 3"),
    *token("crates-io-token", "cio", 32, ALNUM, "cio and secretary", at_word_only=True),
    *token("nuget-key", "oy2", 43, LOWER, "oy2 begins it", at_word_only=True),
    *token("docker-token", "dckr_pat_ dckr_oat_", 27, URLSAFE, "dckr_pat_ begins it"),
    *token("jfrog-key", "AKCp", 60, ALNUM, "AKCp begins it"),
    # model vendors
    *token("anthropic-key", "sk-ant-", 80, URLSAFE, "sk-ant-hill"),
    *token(
        "openai-key", "sk-proj- sk-svcacct- sk-admin- sk-None-", 40, URLSAFE, "sk-proj-x is not"
    ),
    Rule(
        "model-api-key",
        ("sk",),
        rf"sk-(?:or-v1-{body(HEX, 64)}|lf-{body(HEX + '-', 32)}"
        rf"|{at_word('sk-')}{body(ALNUM, 32, 16)})",
        (
            Example("sk-" + "or-v1-" + fill(HEX, 64)),
            Example("sk-" + "lf-" + fill(HEX, 32)),
            Example("sk-" + fill(ALNUM, 32)),
        ),
        ("sk-learn, task-0123456789",),
    ),
    *token("groq-key", "gsk_", 48, ALNUM, "gsk_scene = 1"),
    *token("xai-key", "xai-", 60, ALNUM, "xai-org/grok"),
    *token("huggingface-token", "hf_ api_org_", 34, ALNUM, "hf_hub_download(x)", at_word_only=True),
    *token("replicate-token", "r8_", 37, ALNUM, "r8_uint = 1", at_word_only=True),
    *token("perplexity-key", "pplx-", 40, ALNUM, "pplx-7b-online"),
    *token("together-key", "tgp_v1_", 40, URLSAFE, "tgp_v1_x is not"),
    *token("cerebras-key", "csk-", 40, LOWER, "csk-1 is a ticket"),
    *token("nvidia-key", "nvapi-", 60, URLSAFE, "nvapi-x is not"),
    *token("langsmith-key", "lsv2_pt_ lsv2_sk_", 40, HEX + "_", "lsv2_pt_ begins it"),
    *token("tavily-key", "tvly-", 28, URLSAFE, "tvly-x is not"),
    *token("firecrawl-key", "fc-", 32, HEX, "fc-cache -f", at_word_only=True),
    *token("pinecone-key", "pcsk_", 50, ALNUM + "_", "pcsk_x is not"),
    *token("cursor-key", "key_ crsr_", 64, HEX, "key_error = 1"),
    # chat and mail
    *token(
        "slack-token",
        "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xoxc- xoxd- xoxe.xoxp-",
        20,
        URLSAFE + "%",
        "xoxb- begins it",
    ),
    *token("slack-app-token", "xapp-", 40, URLSAFE, "xapp-1 begins it"),
    *token("brevo-key", "xkeysib-", 64, URLSAFE, "xkeysib-x is not"),
    *token("mailgun-key", "key-", 32, HEX, "key-value pairs", at_word_only=True),
    *token("twilio-key", "SK", 32, HEX, "SKU12345", at_word_only=True),
    # payment
    *token("stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_", 16, ALNUM, "sk_test_mode on"),
    *token("stripe-webhook-secret", "whsec_", 30, BASE64, "whsec_x is not"),
    *token("square-token", "sq0atp- sq0csp- sq0idp-", 22, URLSAFE, "sq0atp- begins it"),
    *token("square-token", "EAAA", 60, URLSAFE, "EAAAA== is base64", at_word_only=True),
    *token(
        "braintree-token",
        "access_token$production$ access_token$sandbox$",
        40,
        LOWER + "$",
        "access_token$production$x",
    ),
    *token("shopify-token", "shpat_ shpca_ shppa_ shpss_", 32, HEX, "shpat_x is not"),
    # other services
    *token("grafana-token", "glsa_", 36, ALNUM + "_", "glsa_x is not"),
    *token("grafana-token", "glc_eyJ", 30, BASE64, "glc_eyJ begins it"),
    *token("newrelic-key", "NRAK- NRII- NRJS-", 27, URLSAFE, "NRAK- begins it"),
    *token("sentry-token", "sntrys_eyJ sntryu_", 40, BASE64, "sntryu_x is not"),
    *token("dynatrace-token", "dt0c01.", 60, UPPER + ".", "dt0c01. begins it"),
    *token("posthog-key", "phx_", 36, ALNUM, "phx_x is not"),
    *token("linear-key", "lin_api_ lin_oauth_", 40, ALNUM, "lin_api_x is not"),
    *token("notion-token", "ntn_ secret_", 43, ALNUM, "secret_name = 1", at_word_only=True),
    *token("figma-token", "figd_", 40, URLSAFE, "figd_x is not"),
    *token("postman-key", "PMAK-", 59, HEX + "-", "PMAK-1 is a ticket"),
    *token("facebook-token", "EAA", 100, ALNUM, "EAAS are three", at_word_only=True),
)
