"""The Lua scripts of the online store: each runs in the server as one atomic step."""

from importlib.resources import files

from redis import Redis


def load_script(redis: Redis, *names: str) -> str:
    """Load the files `lua/<name>.lua`, one after the other, as one script; return its digest."""
    folder = files("feature_repo") / "lua"
    texts = [(folder / f"{name}.lua").read_text("utf-8") for name in names]
    return str(redis.script_load("\n".join(texts)))
