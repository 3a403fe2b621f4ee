# The Python that the tests run on.
FROM python:3.11.15-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml constraints.txt ./
# before the source, so that a change in it does not fetch the packages again; without a pip of its own and without the
# packages' own tests: what is not there cannot be used by an intruder, and is not shipped
RUN python -m venv --without-pip /opt/vedette \
 && python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
    >needed.txt \
 && pip --python /opt/vedette install --no-cache-dir --constraint constraints.txt --requirement needed.txt \
 && find /opt/vedette -type d -name tests -prune -exec rm -r {} +
COPY README.md LICENSE ./
COPY detectors detectors
COPY exporter exporter
RUN pip --python /opt/vedette install --no-cache-dir --no-deps .

FROM python:3.11.15-slim-bookworm
LABEL org.opencontainers.image.title="Vedette" \
      org.opencontainers.image.description="A Prometheus exporter that judges the queries which reach machine-learning models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.15-slim-bookworm"
# nothing that installs, nothing that becomes somebody else, no second language; docs/security.md says what stays
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/lib/python3.11/ensurepip \
    /usr/local/lib/python3.11/site-packages/* /usr/bin/apt* /usr/bin/dpkg* /usr/bin/perl* /usr/lib/apt /usr/share/perl* \
 && find / -xdev -type f -perm /6000 -delete \
 && mkdir -p /var/lib/vedette/drop /var/lib/vedette/state \
 && chown -R 10833:10833 /var/lib/vedette
COPY --from=build /opt/vedette /opt/vedette
COPY docker/vedette.yml /etc/vedette/vedette.yml
ENV PATH=/opt/vedette/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# a number, so that Kubernetes can see that it is not root
USER 10833:10833
WORKDIR /var/lib/vedette
VOLUME /var/lib/vedette
EXPOSE 10833
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["vedette", "healthcheck"]
ENTRYPOINT ["vedette"]
# all interfaces, because in a container the loopback interface reaches nobody: whoever publishes the port decides
CMD ["serve", "--config.file=/etc/vedette/vedette.yml", "--web.listen-address=0.0.0.0:10833"]
