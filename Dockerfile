# The market in a container: everything that lasts is in /data. Build it from the repository's root.
FROM python:3.13-slim-trixie

RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /opt/takt takt \
    && install --directory --owner=takt --mode=0700 /data

USER takt
WORKDIR /opt/takt/market
COPY --chown=takt:takt pyproject.toml requirements.lock requirements.in Makefile README.md ./
COPY --chown=takt:takt setup ./setup
COPY --chown=takt:takt sdk ./sdk
COPY --chown=takt:takt agents ./agents
COPY --chown=takt:takt gateway ./gateway
COPY --chown=takt:takt market ./market
COPY --chown=takt:takt scenarios ./scenarios
RUN make set-up

ENV PATH=/opt/takt/market/.venv/bin:$PATH PYTHONUNBUFFERED=1
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["takt", "status", "--check", "--data", "/data"]
ENTRYPOINT ["takt"]
CMD ["up", "--data", "/data"]
