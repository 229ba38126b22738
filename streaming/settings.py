"""The settings of every process: environment variables `SAMESTREAM_*` over the defaults."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Typed settings; only entry points create one."""

    model_config = SettingsConfigDict(env_prefix="SAMESTREAM_", frozen=True)

    definitions: str = Field(
        default="features.examples.flights", description="module that offers DEFINITIONS"
    )
    state_dir: Path = Field(default=Path(".samestream"), description="data, logs, ports, registry")
    jar_cache: Path = Field(
        default=Path.home() / ".cache" / "samestream" / "jars",
        description="verified jars are kept here",
    )
    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="Kafka, comma separated")
    online_store: str = Field(default="127.0.0.1:6379", description="Valkey or Redis, host:port")
    partitions: int = Field(default=2, ge=1, description="partitions of the topics of a new log")
    clock: Literal["wall", "replay"] = Field(
        default="wall", description="who makes the heartbeats of a new log: intake or the replayer"
    )
    parallelism: int = Field(default=1, ge=1, description="parallelism of the Flink jobs")
    ring_slides: int = Field(default=100, ge=1, description="slides of rows kept per entity online")
    max_wait_seconds: float = Field(
        default=20.0, gt=0, description="how long a batch of requests waits for a view"
    )
    flink_heap_mb: int = Field(default=1792, ge=512, description="-Xmx of a Flink JVM")

    @property
    def offline_dir(self) -> Path:
        """Root of the offline store: one directory for each view and fingerprint."""
        return self.state_dir.resolve() / "offline"

    @property
    def feature_store_yaml(self) -> Path:
        """Where a running system keeps its rendered Feast configuration."""
        return self.state_dir.resolve() / "feature_store.yaml"
