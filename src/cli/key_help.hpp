// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tessera::cli {

/// What docs/user/job_file.md, which this program holds, says of a key of a job file ("negatives.scope"), of all keys
/// of a table ("negatives"), or of the keys whose text has a word ("KvsAll"). Throws Error(kUsage) with the nearest
/// key.
std::string explain_key(const std::string& word);

}  // namespace tessera::cli
