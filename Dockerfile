# One image for web, worker, beat and simulators; docker-compose.yml says what each runs.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app

# requirements-s3.txt where the archive, or its second copy, lies in a bucket.
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} .
RUN pip install --no-cache-dir --require-hashes --requirement ${REQUIREMENTS}

COPY pyproject.toml manage.py ./
COPY config config
COPY connectors connectors
COPY docs docs
COPY inbox inbox

RUN useradd --system --uid 10001 samlepost && mkdir /data && chown samlepost /data
USER samlepost
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 8000 8010
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "1", "config.wsgi:application"]
