"""Nothing that lets a reader in is printed or written down."""

import pytest

from flowpot.redaction import HIDDEN, redact

SECRET = "s3cr3t-Passw0rd"


@pytest.mark.parametrize(
    "text",
    [
        "mongodb://ada:{}@db.org:27017/x?authSource=admin",
        "mongodb+srv://ada:{}@cluster.mongodb.net",
        "cannot connect to mongodb://a%40b:{}@h1,h2/x?replicaSet=r: timed out",
        "mongodb://db.org/x?user=ada&password={}&w=1",
        "s3://AKIA{}:{}@bucket/artifacts",
        "ftp://ada:{}@host/data",
        "https://a.blob.core.windows.net/c?sv=2022&sig={}",
        "https://h/x?X-Amz-Credential=AKIA&X-Amz-Signature={}",
        "{{'host': 'db.org', 'username': 'ada', 'password': '{}'}}",
        '{{"uri": "mongodb://ada:{}@db.org"}}',
        "MongoStore(database='x', password='{}')",
        "host: db.org\npassword: {}\nport: 1",
        "aws_secret_access_key={}",
        "AWS_SECRET_ACCESS_KEY={}",
        "storage_options {{'key': 'AKIA', 'secret': '{}', 'token': '{}'}}",
        "account_key = '{}'",
        "FLOWPOT_SIGNING_KEY={}",
    ],
)
def test_secrets(text):
    shown = redact(text.replace("{}", SECRET).replace("{{", "{").replace("}}", "}"))
    assert SECRET not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "mongodb://db.org:27017/flowpot?authSource=admin",
        "RMSE forces = 12.3 meV/A at 300 K, key = 5 frames",
        "FLOWPOT_PW_CMD='mpirun.openmpi -np 4 pw.x' is not to be found: install it",
        "set user, password and authSource in the store's specification",
        "pip install 'flowpot[mace]'",
        "/home/ada/run@2/store, s3://bucket/artifacts",
    ],
)
def test_the_rest_stays(text):
    assert redact(text) == text
