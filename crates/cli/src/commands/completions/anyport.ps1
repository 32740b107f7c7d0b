# Completes anyport in PowerShell: `anyport __complete` knows commands, options, servers and tools.
Register-ArgumentCompleter -Native -CommandName anyport -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString()
    $length = $cursorPosition - $commandAst.Extent.StartOffset
    $line = $line.PadRight($length).Substring(0, $length)
    & anyport __complete --line $line 2>$null | ForEach-Object {
        $value, $about = $_ -split "`t", 2
        if (-not $about) { $about = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
    }
}
