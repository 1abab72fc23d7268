<?php
// A page that is held until the file RELEASE exists.
echo "begin\n";
flush();
while (!file_exists($_SERVER["RELEASE"])) {
    clearstatcache();
    usleep(5000);
}
echo "end\n";
