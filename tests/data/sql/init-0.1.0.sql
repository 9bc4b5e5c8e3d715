-- The schema of opskit 0.1.0, which databases made by it still hold.
-- The stack's databases, roles and tables. Read by the postgres image on an empty data folder, and safe to read again.
-- Each application has a database and a role of its own; the passwords come from the container's environment.
\set ON_ERROR_STOP on
\getenv multimodal_password MULTIMODAL_DB_PASSWORD
\getenv litellm_password LITELLM_DB_PASSWORD
\getenv n8n_password N8N_DB_PASSWORD
\getenv monitor_password MONITOR_DB_PASSWORD

SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', name, password)
FROM (VALUES ('multimodal', :'multimodal_password'), ('litellm', :'litellm_password'), ('n8n', :'n8n_password'),
  ('monitor', :'monitor_password')) AS wanted (name, password)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

SELECT format('CREATE DATABASE %I OWNER %I', name, name)
FROM (VALUES ('litellm'), ('n8n')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)
\gexec

-- An application sees its own database and no other: PostgreSQL lets every role into postgres and template1 too.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', name)
FROM (VALUES ('multimodal'), ('litellm'), ('n8n'), ('postgres'), ('template1')) AS wanted (name)
\gexec
GRANT CONNECT ON DATABASE multimodal TO multimodal, monitor;
GRANT pg_monitor TO monitor;  -- statistics, no data

\connect multimodal

CREATE TABLE IF NOT EXISTS documents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  filename text NOT NULL,
  file_type text NOT NULL,
  file_size bigint NOT NULL CHECK (file_size >= 0),
  content_hash text NOT NULL UNIQUE,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS text_chunks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  chunk_index integer NOT NULL CHECK (chunk_index >= 0),
  chunk_text text NOT NULL,
  embedding_id text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (document_id, chunk_index)
);

CREATE TABLE IF NOT EXISTS images (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  storage_path text NOT NULL,
  width integer CHECK (width > 0),
  height integer CHECK (height > 0),
  caption text,
  embedding_id text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS videos (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  storage_path text NOT NULL,
  duration_s double precision CHECK (duration_s >= 0),
  width integer CHECK (width > 0),
  height integer CHECK (height > 0),
  frames_per_s double precision CHECK (frames_per_s > 0),
  transcription text,
  embedding_id text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS video_keyframes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  video_id uuid NOT NULL REFERENCES videos ON DELETE CASCADE,
  storage_path text NOT NULL,
  timestamp_s double precision NOT NULL CHECK (timestamp_s >= 0),
  caption text,
  embedding_id text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS search_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  session_name text,
  query text NOT NULL,
  filters jsonb NOT NULL DEFAULT '{}',
  results_count integer NOT NULL DEFAULT 0 CHECK (results_count >= 0),
  context_bundle jsonb,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS conversations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  session_id uuid REFERENCES search_sessions ON DELETE SET NULL,
  user_message text NOT NULL,
  assistant_message text,
  model_used text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS documents_file_type ON documents (file_type);
CREATE INDEX IF NOT EXISTS documents_created_at ON documents (created_at);
CREATE INDEX IF NOT EXISTS documents_metadata ON documents USING gin (metadata);
CREATE INDEX IF NOT EXISTS text_chunks_embedding_id ON text_chunks (embedding_id);
CREATE INDEX IF NOT EXISTS images_document_id ON images (document_id);
CREATE INDEX IF NOT EXISTS images_embedding_id ON images (embedding_id);
CREATE INDEX IF NOT EXISTS videos_document_id ON videos (document_id);
CREATE INDEX IF NOT EXISTS videos_embedding_id ON videos (embedding_id);
CREATE INDEX IF NOT EXISTS video_keyframes_video_id ON video_keyframes (video_id, timestamp_s);
CREATE INDEX IF NOT EXISTS video_keyframes_embedding_id ON video_keyframes (embedding_id);
CREATE INDEX IF NOT EXISTS search_sessions_created_at ON search_sessions (created_at);
CREATE INDEX IF NOT EXISTS conversations_session_id ON conversations (session_id);
CREATE INDEX IF NOT EXISTS conversations_created_at ON conversations (created_at);

CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER documents_updated_at BEFORE UPDATE ON documents
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();

GRANT USAGE ON SCHEMA public TO multimodal;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO multimodal;
