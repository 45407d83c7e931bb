-- SPDX-FileCopyrightText: The Tessera authors
-- SPDX-License-Identifier: Apache-2.0
-- A module file for Lmod, and for Environment Modules from version 5 on. Unpack a release archive of tools/bundle.sh, then copy
-- this file to MODULEPATH/tessera/VERSION.lua and set its first line.
local root = "/opt/tessera"

whatis("Name: Tessera")
whatis("Description: trains, ranks and answers with embeddings of knowledge graphs")
help([[
tessera --help; batch files: $TESSERA_SLURM. The folder has an Open MPI of its own: unload other MPI modules.
  sbatch $TESSERA_SLURM/train.sbatch job.toml
]])
conflict("tessera", "openmpi", "mpich", "impi")
prepend_path("PATH", pathJoin(root, "bin"))
setenv("TESSERA_SLURM", pathJoin(root, "slurm"))
