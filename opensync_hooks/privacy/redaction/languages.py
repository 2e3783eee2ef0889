"""Words for password, key, secret and token in languages other than English, from dictionaries.

They are in lower case. A blank stands for any sign that joins two words in a name, or for none.
Where names of variables leave out accents, both spellings are listed.
"""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "ar": {"password": "كلمة المرور, كلمة السر", "key": "مفتاح"},
    "bg": {"password": "парола", "key": "ключ"},
    "ca": {"password": "contrasenya", "key": "clau api, clau secreta"},
    "cs": {
        "password": "heslo",
        "key": "klíč, klic api, tajny klic",
        "secret": "tajemství, tajemstvi",
    },
    "da": {
        "password": "adgangskode, adgangskoden, kodeord, kodeordet",
        "key": "nøgle, nøglen, noegle",
        "secret": "hemmelighed, hemmeligheden",
    },
    "de": {
        "password": "kennwort",
        "key": "schlüssel, schluessel",
        "secret": "geheimnis, geheim",
    },
    "el": {"password": "κωδικός, κωδικος, συνθηματικό, συνθηματικο", "key": "κλειδί, κλειδι"},
    "es": {
        "password": "contraseña, contrasena, contrasenia",
        "key": "clave",
        "secret": "secreto",
    },
    "et": {"password": "parool, salasõna", "key": "võti"},
    "eu": {"password": "pasahitza"},
    "fa": {"password": "گذرواژه, رمز عبور", "key": "کلید"},
    "fi": {"password": "salasana, salasanasi", "key": "avain", "secret": "salaisuus"},
    "fr": {
        "password": "mot de passe, mdp",
        "key": "clé, cle api, cle d api, cle secrete, cle privee, cle d acces",
        "token": "jeton",
    },
    "gl": {"password": "contrasinal", "key": "chave", "secret": "segredo"},
    "he": {"password": "סיסמה, סיסמא", "key": "מפתח"},
    "hi": {"password": "पासवर्ड", "key": "कुंजी"},
    "hr": {"password": "lozinka", "key": "ključ, kljuc", "secret": "tajna"},
    "hu": {
        "password": "jelszó, jelszo, jelszava, jelszavam",
        "key": "kulcs",
        "secret": "titok",
    },
    "id": {"password": "kata sandi", "key": "kunci", "secret": "rahasia"},
    "is": {"password": "lykilorð, lykilord, aðgangsorð"},
    "it": {
        "password": "parola, parola d ordine",
        "key": "chiave",
        "secret": "segreto",
        "token": "gettone",
    },
    "ja": {
        "password": "パスワード, 暗証番号",
        "key": "秘密鍵, キー",
        "secret": "シークレット",
        "token": "トークン",
    },
    "ko": {
        "password": "비밀번호, 패스워드, 암호",
        "key": "비밀키, api 키",
        "secret": "시크릿",
        "token": "토큰",
    },
    "lt": {"password": "slaptažodis, slaptazodis", "key": "raktas"},
    "ms": {"password": "kata laluan", "secret": "rahsia"},
    "nl": {"password": "wachtwoord", "key": "sleutel", "secret": "geheim"},
    "no": {"password": "passord, passordet", "key": "nøkkel, nokkel", "secret": "hemmelighet"},
    "pl": {"password": "hasło, haslo", "key": "klucz", "secret": "sekret"},
    "pt": {"password": "senha, palavra passe", "key": "chave", "secret": "segredo"},
    "ro": {"password": "parolă, parola", "key": "cheie, cheia"},
    "ru": {
        "password": "пароль, пароля, паролем, parol",
        "key": "ключ",
        "secret": "секрет",
        "token": "токен",
    },
    "sk": {"password": "heslo", "key": "kľúč, kluc api, tajny kluc"},
    "sl": {"password": "geslo", "key": "ključ"},
    "sq": {"password": "fjalëkalimi"},
    "sr": {"password": "лозинка", "key": "кључ", "secret": "тајна"},
    "sv": {
        "password": "lösenord, lösenordet, losenord, losenordet",
        "key": "nyckel, nyckeln",
        "secret": "hemlighet",
    },
    "th": {"password": "รหัสผ่าน"},
    "tr": {
        "password": "şifre, sifre, şifresi, sifresi, parola, parolas\u0131",
        "key": "anahtar, anahtar\u0131",
        "token": "belirteç, jeton",
    },
    "uk": {"password": "пароль", "key": "ключ", "secret": "таємниця", "token": "токен"},
    "vi": {"password": "mật khẩu, mat khau", "key": "khóa"},
    "zh": {"password": "密码, 密碼, 口令", "key": "密钥, 密鑰, 秘钥", "token": "令牌"},
}
"""By language and kind."""
_JOINT = "[ _.'\u2019-]?"


def names_by_part() -> dict[str, tuple[str, str]]:
    """Return the kind and the pattern of the words that contain a part in common.

    A name of several words also has a part with `^`, which is a whole word of it.
    """
    parts: dict[str, tuple[str, list[str]]] = {}
    for kinds in WORDS.values():
        for kind, line in kinds.items():
            for word in line.split(", "):
                if word.isascii() and " " in word:
                    parts[word.replace(" ", "")] = (kind, [word])
                    parts.setdefault(f"^{max(word.split(), key=len)}", (kind, []))[1].append(word)
                    continue
                longest = max(word.split(), key=lambda part: (not part.isascii(), len(part)))
                stem = next((part for part in parts if part in longest), longest)
                parts.setdefault(stem, (kind, []))[1].append(word)
    return {part: (kind, _pattern(words)) for part, (kind, words) in parts.items()}


def _pattern(words: list[str]) -> str:
    """Match any of the words, the longest first."""
    ordered = sorted(set(words), key=lambda word: (-len(word), word))
    pattern = "|".join(_JOINT.join(word.split()) for word in ordered)
    return f"(?:{pattern})" if len(ordered) > 1 else pattern
