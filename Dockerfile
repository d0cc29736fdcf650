# The desk in a container: code and packages are made in one stage and copied, unwritable, into the other.

FROM python:3.13-slim-bookworm AS build
RUN python -m venv /opt/desk
COPY requirements.txt /tmp/
# These bring their own tests and C++ headers, which nothing here imports.
RUN /opt/desk/bin/pip install --no-cache-dir --no-compile -r /tmp/requirements.txt \
    && /opt/desk/bin/pip uninstall --yes pip \
    && find /opt/desk -depth -type d \( -path '*/pandas/tests' -o -path '*/pyarrow/tests' -o -path '*/pyarrow/include' \
       -o -path '*/sklearn/*/tests' -o -path '*/scipy/*/tests' \) \
       -exec rm -r {} +
WORKDIR /app
COPY app.py ./
COPY .streamlit/config.toml .streamlit/
COPY pages pages/
COPY ticketcore ticketcore/
# Bytecode is made here, once: the desk may not write it later, and without it each start takes seconds more.
# `unchecked-hash`, because a copy may change the time of a file, by which Python would otherwise judge it stale.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/desk /app \
    && chmod -R u=rwX,go=rX /app

FROM python:3.13-slim-bookworm
# A fixed number, so that docker-compose.yml can give the desk its password file. /data is for the embedded
# PostgreSQL, which a container without DATABASE_URL starts.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin desk \
    && install --directory --owner=desk --group=desk --mode=700 /data
COPY --from=build /opt/desk /opt/desk
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/desk/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    DESK_DATA=/data
USER 10001:10001
EXPOSE 8501
# Without the empty ProxyHandler a proxy in the environment would be asked for the desk.
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8501/api/health/live', timeout=4)"]
CMD ["streamlit", "run", "app.py"]
