from pathlib import Path

from footplate.kube.connection import load_connection


def test_a_user_left_empty_has_no_credentials(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        "current-context: dev\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "contexts: [{name: dev, context: {cluster: c, user: u}}]\n"
        "users: [{name: u, user: }]\n"
    )
    assert load_connection(file).context == "dev"
