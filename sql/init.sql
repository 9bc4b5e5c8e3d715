-- The stack's databases, roles and tables. Each application has a database and a role of its own; the passwords come from the
-- container's environment. The postgres image reads this file on an empty data folder only. It is safe to read again, which
-- brings the tables of an earlier version to this one and keeps their rows:
--   docker compose -p multimodal-<environment> exec -T postgres psql -U postgres -d multimodal < sql/init.sql
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

-- The seven tables have the columns that the statements of the worker and the retrieval proxy name; both write JSON as text
-- and ids of their own. Names and shapes of an earlier version are changed first.
BEGIN;

SELECT format('ALTER TABLE %I RENAME COLUMN %I TO %I', table_name, old_name, new_name)
FROM (VALUES ('images', 'storage_path', 'image_path'), ('images', 'metadata', 'features'),
  ('videos', 'storage_path', 'video_path'), ('videos', 'duration_s', 'duration_seconds'), ('videos', 'frames_per_s', 'fps'),
  ('video_keyframes', 'storage_path', 'keyframe_path'), ('video_keyframes', 'timestamp_s', 'timestamp_seconds'),
  ('conversations', 'user_message', 'content')) AS renamed (table_name, old_name, new_name)
JOIN information_schema.columns USING (table_name)
WHERE table_schema = 'public' AND column_name = old_name
\gexec

CREATE TABLE IF NOT EXISTS documents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  filename text NOT NULL,
  file_type text NOT NULL,
  file_size bigint CHECK (file_size >= 0),
  mime_type text,
  content_hash text NOT NULL UNIQUE,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE documents
  ADD COLUMN IF NOT EXISTS mime_type text,
  ALTER COLUMN file_size DROP NOT NULL;  -- an upload without a length has none

CREATE TABLE IF NOT EXISTS text_chunks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  chunk_index integer NOT NULL CHECK (chunk_index >= 0),
  chunk_text text NOT NULL,
  start_position integer CHECK (start_position >= 0),
  end_position integer CHECK (end_position >= start_position),
  embedding_id text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (document_id, chunk_index)
);
ALTER TABLE text_chunks
  ADD COLUMN IF NOT EXISTS start_position integer CHECK (start_position >= 0),
  ADD COLUMN IF NOT EXISTS end_position integer CHECK (end_position >= start_position);

CREATE TABLE IF NOT EXISTS images (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  image_path text NOT NULL,
  width integer CHECK (width > 0),
  height integer CHECK (height > 0),
  format text,
  caption text,
  embedding_id text,
  features jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE images ADD COLUMN IF NOT EXISTS format text;

CREATE TABLE IF NOT EXISTS videos (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  video_path text NOT NULL,
  duration_seconds double precision CHECK (duration_seconds >= 0),
  width integer CHECK (width > 0),
  height integer CHECK (height > 0),
  fps double precision CHECK (fps > 0),
  format text,
  transcription text,
  embedding_id text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE videos ADD COLUMN IF NOT EXISTS format text;

CREATE TABLE IF NOT EXISTS video_keyframes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  video_id uuid NOT NULL REFERENCES videos ON DELETE CASCADE,
  keyframe_path text NOT NULL,
  timestamp_seconds double precision NOT NULL CHECK (timestamp_seconds >= 0),
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
  session_id text,  -- whatever name the application gives a session
  role text NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
  content text NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

-- An earlier version kept a question and its answer in one row; here each is a row of its own, the answer just after.
SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'conversations'
  AND column_name = 'assistant_message') AS answers_in_the_row
\gset
\if :answers_in_the_row
ALTER TABLE conversations
  DROP CONSTRAINT IF EXISTS conversations_session_id_fkey,
  ALTER COLUMN session_id TYPE text,
  ADD COLUMN role text NOT NULL DEFAULT 'user' CHECK (role IN ('system', 'user', 'assistant', 'tool'));
ALTER TABLE conversations ALTER COLUMN role DROP DEFAULT;
INSERT INTO conversations (session_id, role, content, metadata, created_at)
SELECT session_id, 'assistant', assistant_message, metadata || jsonb_build_object('model', model_used),
  created_at + interval '1 microsecond'
FROM conversations WHERE assistant_message IS NOT NULL;
ALTER TABLE conversations DROP COLUMN assistant_message, DROP COLUMN model_used;
\endif

CREATE INDEX IF NOT EXISTS documents_file_type ON documents (file_type);
CREATE INDEX IF NOT EXISTS documents_created_at ON documents (created_at);
CREATE INDEX IF NOT EXISTS documents_metadata ON documents USING gin (metadata);
CREATE INDEX IF NOT EXISTS documents_unfinished ON documents (updated_at)  -- asked for every five seconds
  WHERE metadata->>'state' IN ('pending', 'deleting');
CREATE INDEX IF NOT EXISTS text_chunks_embedding_id ON text_chunks (embedding_id);
CREATE INDEX IF NOT EXISTS images_document_id ON images (document_id);
CREATE INDEX IF NOT EXISTS images_embedding_id ON images (embedding_id);
CREATE INDEX IF NOT EXISTS videos_document_id ON videos (document_id);
CREATE INDEX IF NOT EXISTS videos_embedding_id ON videos (embedding_id);
CREATE INDEX IF NOT EXISTS video_keyframes_video_id ON video_keyframes (video_id, timestamp_seconds);
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

-- It reads and writes rows and changes no table: neither service does. An image that migrates itself needs, besides this,
-- GRANT CREATE ON SCHEMA public TO multimodal.
GRANT USAGE ON SCHEMA public TO multimodal;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO multimodal;

COMMIT;
