# One image for every process; docker-compose.yml says which one a container runs.
FROM node:24-slim
WORKDIR /foresight
ENV NODE_ENV=production
COPY package.json package-lock.json ./
# The embedded database is an optional package and stays out; so does the second Node of npm scripts.
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force
COPY db db
COPY workers workers
COPY web web
USER node
# Commands are run by node itself, which is process 1 and receives the signals.
CMD ["node", "web/main.ts"]
