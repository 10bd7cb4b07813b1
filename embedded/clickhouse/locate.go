package clickhouse

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// LibEnv names the environment variable which points at the engine library and wins over every other place.
const LibEnv = "PARCOURS_CHDB_LIB"

// ErrNoEngine says that neither the engine library nor a clickhouse program was found.
var ErrNoEngine = errors.New("no ClickHouse engine found")

// LocateLibrary returns the path of the engine library. An explicit path, or the one in PARCOURS_CHDB_LIB, must
// exist; without one the library is searched beside the program, in the cache of the project that the program or the
// working directory lies in, and in the user's cache.
func LocateLibrary(explicit string) (string, error) {
	if explicit == "" {
		explicit = os.Getenv(LibEnv)
	}
	if explicit != "" {
		if !isFile(explicit) {
			return "", fmt.Errorf("locate engine library: %s is not a file; correct the path or unset %s", explicit, LibEnv)
		}
		return filepath.Abs(explicit)
	}
	for _, path := range libraryPlaces(workingAndProgramDirs()) {
		if isFile(path) {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("locate engine library %s: %w; run `make setup-engine` in the project, or install the npm package @chdb/lib-%s and set %s to the file in it",
		libraryName(), ErrNoEngine, npmPlatform(), LibEnv)
}

// LocateBinary returns the clickhouse program on PATH, or "" when there is none.
func LocateBinary() string {
	path, err := exec.LookPath("clickhouse")
	if err != nil {
		return ""
	}
	return path
}

func libraryName() string {
	if runtime.GOOS == "darwin" {
		return "libchdb.dylib"
	}
	return "libchdb.so"
}

// npmPlatform is the last part of the npm package's name. The packages hold a file named libchdb.so on every
// platform up to some version and .dylib on macOS after it, which is why macOS looks for both.
func npmPlatform() string {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	if runtime.GOOS == "linux" {
		return "linux-" + arch + "-gnu"
	}
	return runtime.GOOS + "-" + arch
}

// workingAndProgramDirs returns the working directory and the folder of the program, "" for one that is not known.
func workingAndProgramDirs() (working, program string) {
	if dir, err := os.Getwd(); err == nil {
		working = dir
	}
	if exe, err := os.Executable(); err == nil {
		if target, err := filepath.EvalSymlinks(exe); err == nil {
			exe = target
		}
		program = filepath.Dir(exe)
	}
	return working, program
}

func libraryPlaces(working, program string) []string {
	names := []string{libraryName()}
	if runtime.GOOS == "darwin" {
		names = append(names, "libchdb.so")
	}
	var dirs []string
	if program != "" {
		dirs = append(dirs, program, filepath.Join(program, "lib"), filepath.Join(program, "..", "lib"))
	}
	npm := filepath.Join("node_modules", "@chdb", "lib-"+npmPlatform())
	for _, dir := range []string{working, program} {
		if dir == "" {
			continue
		}
		if root := projectRoot(dir); root != "" {
			dirs = append(dirs, filepath.Join(root, ".cache", "chdb", npm))
		}
	}
	if cache, err := os.UserCacheDir(); err == nil {
		own := filepath.Join(cache, "parcours", "chdb")
		dirs = append(dirs, own, filepath.Join(own, npm))
	}
	var places []string
	for _, dir := range dirs {
		for _, name := range names {
			places = append(places, filepath.Join(dir, name))
		}
	}
	return places
}

// projectRoot walks up from dir to the folder that holds go.work, "" when there is none.
func projectRoot(dir string) string {
	for {
		if isFile(filepath.Join(dir, "go.work")) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
