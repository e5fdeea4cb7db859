from typing import Any

from footplate.kube.store import Key, Store, key_of


def pod(name: str, node: str | None = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "team-a"}, "spec": {"nodeName": node} if node else {}}


def by_node(obj: dict[str, Any]) -> list[str]:
    return [obj["spec"]["nodeName"]] if "nodeName" in obj["spec"] else []


def test_an_index_follows_its_objects() -> None:
    store: Store[dict[str, Any]] = Store({"node": by_node})
    for obj in (pod("a"), pod("b", "n1"), pod("c", "n1")):
        store.put(key_of(obj), obj)
    assert [o["metadata"]["name"] for o in store.by_index("node", "n1")] == ["b", "c"]
    store.put(Key("team-a", "a"), pod("a", "n1"))
    store.put(Key("team-a", "b"), pod("b", "n2"))
    assert [o["metadata"]["name"] for o in store.by_index("node", "n1")] == ["c", "a"]
    store.remove(Key("team-a", "b"))
    assert store.by_index("node", "n2") == []
    assert len(store) == 2


def test_the_key_of_a_cluster_scoped_object_has_no_namespace() -> None:
    assert key_of({"metadata": {"name": "n1"}}) == Key("", "n1")
    assert str(Key("", "n1")) == "n1"
    assert str(Key("team-a", "x")) == "team-a/x"
