# The appliance as an image. The base images are arguments, for sites that have their own:
#   docker build --build-arg SDK_IMAGE=... --build-arg RUNTIME_IMAGE=... -t entrepot .
#   docker run -d -p 5000:5000 -v entrepot:/var/lib/entrepot entrepot
# Options come from environment variables (as ENTREPOT_STORAGE__ROOT below), from flags after the image's name, or
# from a file mounted at /etc/entrepot/entrepot.yaml.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME_IMAGE=mcr.microsoft.com/dotnet/aspnet:10.0

FROM ${SDK_IMAGE} AS build
WORKDIR /source
# Projects before sources: packages are restored again only when a project changes.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/Entrepot.Core/Entrepot.Core.csproj src/Entrepot.Core/
COPY src/Entrepot.Storage/Entrepot.Storage.csproj src/Entrepot.Storage/
COPY src/Entrepot.Upstream/Entrepot.Upstream.csproj src/Entrepot.Upstream/
COPY src/Entrepot.Server/Entrepot.Server.csproj src/Entrepot.Server/
RUN dotnet restore src/Entrepot.Server -p:_IsPublishing=true
COPY . .
RUN dotnet publish src/Entrepot.Server -c Release --no-restore -o /app && mkdir /empty

FROM ${RUNTIME_IMAGE}
COPY --from=build /app /app
# 1654 is "app" in Microsoft's images. As a number it needs no entry in another image's passwd, and Kubernetes can see
# that it is not root. A new volume takes the owner of the directory it is mounted on.
COPY --from=build --chown=1654:1654 /empty /var/lib/entrepot
USER 1654:1654
VOLUME /var/lib/entrepot

# ASPNETCORE_HTTP_PORTS: the base image would have Kestrel listen on 8080, which the options replace with a warning.
ENV ENTREPOT_STORAGE__ROOT=/var/lib/entrepot \
    ASPNETCORE_HTTP_PORTS=

# The admin endpoint stays on the container's own loopback, as everywhere else: whatever shares a network with the
# container could pin and remove images otherwise, since nobody is asked who they are. Kubernetes' probes (/healthz and
# /readyz) and Prometheus (/metrics) need no more than -e ENTREPOT_METRICS=0.0.0.0:5002.
EXPOSE 5000

# By bash, since the image has no curl; without --start-period an image with a large store would be unhealthy at first.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["bash", "-c", \
    "port=${ENTREPOT_ADMIN##*:}; exec 3<>/dev/tcp/127.0.0.1/${port:-5001} && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]

ENTRYPOINT ["/app/entrepot"]
