// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <string>

namespace tessera {

/// Where a file came from; written into every file.
struct Provenance {
  std::string version;       ///< "0.1.0"
  std::string git_commit;    ///< 12 hex digits or "unknown"
  std::string command_line;  ///< as set by set_command_line, UTF-8
  std::string host;
  std::string time_utc;  ///< ISO 8601
};

/// Remembers the command line for provenance, shortened when very long, bytes that are not UTF-8 escaped; called once
/// by main.
void set_command_line(std::string command_line);

/// The name of this host.
std::string host_name();

/// "2026-12-01T03:57:20Z".
std::string time_in_words(std::time_t time);

/// The id that the queue of a cluster gave this job; empty outside one. Bytes that are not UTF-8 are escaped.
std::string job_id();

/// The provenance of a file that is written now.
Provenance current_provenance();

}  // namespace tessera
