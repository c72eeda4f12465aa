"""Words in the names of accounts, with weights that the project wrote.

Belongs here: words that speak for automation or for a person, each group with its weight and the
reason for it. Does not belong here: how a name is taken apart (names), and accounts known one by
one (the seeds `known_*.csv`).

A weight is a change of the logarithm of the odds that the account is automated: +2.3 makes ten
times as likely, -2.3 a tenth. The weights come from what the words mean to people who name
accounts, in steps of a half; they are not fitted to any data.
"""

import hashlib
from collections.abc import Mapping


def _words(text: str) -> list[str]:
    return text.split()


# (weight, why, words)
_GROUPS: tuple[tuple[float, str, str], ...] = (
    (6.5, "says that it is a bot", "bot bots"),
    (
        6.5,
        "a product that only acts by itself",
        """
        dependabot renovatebot greenkeeper greenkeeperio renovate bors homu prow pyup depfu
        mergify codecov coveralls codacy codeclimate sonarcloud houndci stickler appveyor
        circleci travisci buildkite weblate crowdin transifex allcontributors semantic-release
        mergebot buildbot autobot autoroller houndbot imgbot whitesource mend lgtm deepsource
        scrutinizer kodiakhq probot hubot netlify vercel gitpod sweepai coderabbit coderabbitai
        copilot snyk autopilot tekton zuul gerrit gitlabci azurepipelines
        """,
    ),
    (
        5.0,
        "automation is nobody's name",
        """
        automation automated automations automator automate automerge autoupdate autoupdater
        autofix autoformat autobuild autodeploy autorelease autocommit autosync autogen
        automaton automat autotest autotester ci cicd jenkins svc serviceaccount machineuser
        cronjob cron mirroring cla dco
        """,
    ),
    (
        4.0,
        "a task of a machine rather than a trade",
        """
        machine machines builder builds nightly nightlies deployer deploy deploys deployment
        deployments releaser release releases updater update updates publisher publish
        publishing bump bumper backport backporter cherrypick cherrypicker merger merge syncer
        sync mirror mirrors importer exporter webhook webhooks notifier notifications stale
        linter changelog dependencies dependency deps updatebot runner workflow workflows
        actions roller formatter prerelease rebase coverage
        """,
    ),
    (
        4.5,
        "a robot, which a person rarely calls himself between separators",
        "robot",
    ),
    (
        0.0,
        "liked by people",
        "robots robo robotic robotics",
    ),
    (
        3.0,
        "usual in names of shared accounts of a project",
        """
        build service services agent agents assistant committer commits scanner checker crawler
        scraper watcher monitor hook hooks triage reviewer pipeline pipelines tooling infra
        infrastructure generator translations translation localization localisation l10n i18n
        registry feedstock contributions gatekeeper keeper helper butler janitor gardener
        archiver indexer tracker versioning daemon alerts maintainers gpt codex llm upgrade
        upgrader integration integrations provisioning operator ghactions githubactions
        pr prs pusher
        """,
    ),
    (
        1.5,
        "an organisation's or a tool's word, which people use too",
        """
        team github gh sdk system systems docs documentation test tests tester testing qa tools
        tool package packages packaging npm pypi maven nuget docker k8s kubernetes openshift aws
        azure google microsoft msft apache cloud api issue issues commit push pull version
        review security devops ops admin account project org feed data server auto support cd op
        platform core app apps web studio oss foundation official group global public action
        maintainer manager worker
        """,
    ),
    (
        -1.5,
        "a title or word by which people speak of themselves",
        """
        mr mrs dr prof the real im iam its my not just dev developer coder codes code programmer
        engineer hacker guy man boy girl dude lord king queen sir master ninja wizard jedi guru
        phd tw de fr uk nl br
        """,
    ),
    (
        -2.5,
        "a given name",
        """
        aaron abdul abdullah abhishek adam aditya adrian ahmad ahmed aidan ajay akash alan
        albert alberto alejandro aleksandr alex alexander alexandre alexandru alexei alexey
        alexis alfred ali alice alina alison allan allen amanda amir amit amy ana anand anders
        andre andrea andreas andrei andres andrew andrey andrii andy angel angela angelo anil
        anish anita ankit ankur ann anna anne anthony anton antoine antonio anuj arjun arnaud
        arne arthur artem arun ashish ashley augusto axel barry bart ben benjamin benoit bernard
        bernd bill björn bjorn bob boris brad bradley brandon brendan brent brett brian bruce
        bruno bryan bryce calvin carl carla carlo carlos carol caroline casey cedric cesar chad
        charles charlie chen chris christian christina christine christoph christophe
        christopher cindy claire claudia claudio clement colin connor corey cory craig cristian
        curtis cyril dale damian damien damon dan dana daniel daniela daniele daniil danny dario
        darren dave david davide dean deepak denis dennis derek diana diego dieter dimitri dirk
        dmitri dmitriy dmitry dominic dominik don donald doug douglas duncan dustin dylan eddie
        edgar eduardo edward elena eli elias elizabeth ellen emanuel emil emilio emily emma
        emmanuel enrico eric erica erik ernesto ethan eugene eva evan evgeny fabian fabien fabio
        fabrice felipe felix fernando filip florian francesco francis francisco franck frank
        frederic frederik fred gabriel gareth gary gaurav gavin geoff george gerald gerard
        gerhard giacomo gilles giovanni glenn gonzalo gordon graham greg gregor gregory
        guilherme guillaume gustavo hannah hans harald harry harsh heather hector heiko
        helen henri henrik henry herman hiroshi holger howard hugo ian ibrahim igor ilya ines
        ingo irina isaac isabel ivan ivo jack jackson jacob jacques jaime jake jakob jakub james
        jamie jan jane janet jared jason javier jay jean jeff jeffrey jen jennifer jens jeremy
        jerome jerry jesse jessica jesus jim jimmy jiri joachim joan joao joe joel joerg johan
        johannes john johnny jon jonas jonathan jordan jordi jorge jose josef joseph josh joshua
        juan juergen julia julian julie julien julio julius jun jürgen justin kai karen karl
        karsten kate katherine kathy katie kazuki keith kelly ken kenneth kenny kevin kim kiran
        klaus kristian kristof kumar kurt kyle lars laura laurent lawrence leah lee lena leo
        leon leonard leonardo leslie lewis liam linda lisa logan lorenzo louis luca lucas lucia
        luis luiz lukas lukasz luke madhu maciej manfred manish manoj manuel marc marcel marcelo
        marcin marco marcos marcus maria marie mariano marina mario marius mark marko markus
        martin martina marvin mary masahiro mateusz mathias mathieu mats matt matteo matthew
        matthias matthieu maurice mauro max maxim maxime maximilian megan mehdi melissa michael
        michal michel michele michelle miguel mihai mikael mike mikhail milan mirko mitch
        mohamed mohammad mohammed mohan mohit monica morgan morten muhammad mustafa nadia nancy
        natalia natalie nate nathan nathaniel neal neil nicholas nick nicola nicolas niels
        nikhil nikita niko nikola nikolai nikolay nils nina noah noel norbert norman oleg oliver
        olivier omar oscar oskar otto owen pablo pascal patricia patrick patrik paul paula paulo
        pavel pawel pedro per pete peter petr phil philip philipp philippe pierre piotr prakash
        prashant pratik priya rachel radek rafael rahul raj rajesh ralf ralph ramesh ramon randy
        raphael raul ravi ray raymond rebecca reinhard remi rene ricardo richard rick robert
        roberto robin rodrigo roger rohan rohit roland rolf roman romain ron ronald rory ross
        roy ruben rudolf russell ryan sachin sam samir samuel sandeep sandra sandro sanjay
        santiago santosh sara sarah sascha satoshi saurabh scott sean sebastian sebastien serge
        sergei sergey sergio seth shane shannon sharon shaun shawn shivam shubham silvia simon
        simone sofia sonia srinivas stacy stan stefan stefano steffen stephan stephane stephanie
        stephen steve steven stuart sudhir sumit sunil suresh susan sven sylvain takashi tanya
        tara taylor ted teresa terry thiago thibault thierry thomas thorsten tiago tim timo
        timothy tina tobias toby todd tom tomas tomasz tommy toni tony travis trevor tristan
        tyler udo uli ulrich uwe vadim valentin valerie varun vasily venkat veronica victor
        vijay vikram viktor vincent vinod vishal vitaly vivek vlad vladimir wade walter wang
        warren wayne wei wendy werner will willem william wolfgang xavier yan yann yannick yash
        yuki yuri yves zach zachary zhang
        """,
    ),
)

# Surnames, and words of English and French, that end in "bot" without meaning one.
NOT_BOTS = frozenset(
    _words("""
        abbot abbott talbot talbott cabot cabott chabot rabot ribot sabot jabot turbot burbot
        barbot herbot thibot thiebot guibot guilbot guillebot grimbot rambot lambot limbot
        humbot courbot malbot maubot marabot arbot albot corbot garbot gerbot jacobot gambot
        libot bibot nabot tarbot lebot lerobot imbot rimbot philbot norbot wilbot gilbot elbot
        halbot rebbot hebbot lobbot cubbot gobbot jambot tombot calbot dubot tabbot
        """)
)
# Surnames of that kind which are found at the end of a longer word too: `ryanjtalbot`. After the
# words that are listed they are parts of another: `metalbot` is of metal.
SURNAMES_AT_END: Mapping[str, tuple[str, ...]] = {
    "talbot": (
        "me", "por", "digi", "to", "crys", "capi", "hospi", "ren", "vi", "den", "men", "orbi",
        "pos", "fa", "bru", "bre", "ins", "frac", "horizon", "experimen", "environmen", "continen",
        "kris", "pe",
    ),
    "abbot": ("gr", "cr", "sl", "d", "bl", "j", "l", "st", "n"),
    "abbott": (),
    "cabot": ("ameri", "afri", "repli", "musi", "jessi", "rebec", "angeli", "moni", "eri", "alpa"),
    "chabot": ("mo", "mat", "got", "bro", "ca", "ka", "cha"),
    "thibot": (),
}  # fmt: skip
# Words and surnames that begin with "bot" or hold it.
HOLDING_BOT = _words(
    "both botha bothe bothwell bothell bothner bothma bottom bottle bottger bottcher botte bottoni "
    "bottero botero botelho botond botos botan botany botanic botanist botanik botox botch botched "
    "boticelli botticelli botticelli botta bottai botti bottini botto bottomley botas botev boteva "
    "botezatu bothra botkin botman botnar botosani botsford botswana botting botvin botvinnik "
    "botvinick botwright boter boterman bottema botzer bott"
)
# Ways in which people speak of themselves, at the beginning of a word without divisions.
OF_ONESELF = ("iam", "the", "thisis", "mr", "mister", "miss", "little", "my", "ilike")
# Words that are looked for at either end of a word that was written without divisions; long enough
# not to be found by chance, and none begins or ends a usual name.
AT_END = _words(
    "automation machine jenkins deploy deployer release releaser builder updater publisher "
    "serviceuser service runner worker tester travisci github mirror build sync agent merger "
    "autoroll cla devops support assistant console steward team"
)
AT_START = _words("automation automated autobuild automerge jenkins deploy github dependa webhook")

WEIGHTS: Mapping[str, tuple[float, str]] = {
    word: (weight, why) for weight, why, words in _GROUPS for word in words.split()
}
# What a compound is says its last word: a lake mirror mirrors, Mirror Lake is a lake.
TASKS = frozenset(
    word for word, (_, why) in WEIGHTS.items() if why == "a task of a machine rather than a trade"
)
GIVEN_NAMES = frozenset(word for word, (_, why) in WEIGHTS.items() if why == "a given name")
# Makers, tools and tasks: before "bot" they leave little doubt.
TECHNICAL = frozenset(
    word for word, (weight, _) in WEIGHTS.items() if weight > 0 and len(word) > 2
) | frozenset(
    _words("""
        flux gitlab node python rust swift kotlin react angular ember flutter dotnet golang java
        javascript typescript spring gradle conda brew homebrew debian fedora ubuntu arch linux
        chrome chromium firefox mozilla webkit facebook meta uber lyft netflix spotify shopify
        stripe paypal slack discord telegram matrix zulip mattermost jira trello asana notion
        elastic elasticsearch kibana grafana prometheus influx terraform ansible puppet chef
        vagrant vault consul nomad istio envoy etcd helm argo knative linkerd cilium calico
        rancher vmware tanzu cloudflare heroku digitalocean eclipse jetbrains atlassian adobe
        oracle sap ibm redhat suse intel nvidia amd arm tensorflow torch pytorch keras jax scipy
        numpy pandas jupyter sklearn ros opencv wordpress drupal joomla magento laravel symfony
        composer packagist rails ruby gem bundler rubygems django flask fastapi babel webpack
        rollup parcel vite eslint prettier storybook electron expo ionic cordova capacitor
        nativescript meteor next nuxt gatsby svelte vue tidy spell spelling grammar style typo
        check size bundle pages bench benchmark perf performance crate cargo pip wiki wikimedia
        twitter label labels labeler assign assignment welcome greet greeting remind reminder
        vote poll translate import export cert certs backup news image img link links dead
        license licence tag ticket task todo patch fix hot nag status doc format lint code
        commit merge pull stale deploy build model dataset space hub auto infra ops devs dev
        host hosting help crowd moz travis circle ethereum bitcoin crypto coin chain block token
        solana polkadot cosmos substrate nixpkgs nix guix gentoo alpine centos openwrt android
        ios mac macos windows wine vscode vim emacs neovim latex tex markdown json yaml xml html
        css sass graphql rest grpc proto protobuf kafka rabbit redis mongo mongodb mysql mariadb
        postgres sqlite cassandra spark hadoop flink airflow beam dask ray mlflow kubeflow
        seldon onnx huggingface hf transformers kube minikube openshift okd podman containers
        container docker moby compose swarm cncf opentelemetry jaeger fluent fluentd loki cortex
        thanos crossplane gitops jekyll hugo hexo ghost blog site homeassistant hass esphome
        arduino espressif raspberry pixel odoo erp sentry datadog newrelic auth okta login sso
        pull cherry pick cherrypick backport sonar cache proxy gateway mesh metric metrics log
        logs trace schema plugin plugins theme themes module modules lib library libs core base
        common shared public private internal external prod production stage staging stable beta
        alpha canary dev daily weekly monthly schedule timer clock sig wg org repo repos
        repository branch pages changelog semver version nightly validator validate verify
        verifier sign signing signed secret secrets key keys scan dependency vuln vulnerability
        cve advisory lock locks close closer opener reopen ping notify mention mentions reply
        comment comments answer question faq qa discuss discussion forum mail email newsletter
        list rss feed crawl crawler scrape stats statistics report reports reporting dashboard
        graph chart data
        """)
)
# Words of agents that write, review or answer with a language model: such a bot is one of them.
OF_AI = frozenset(
    _words(
        "copilot claude codex devin cursor jules gemini coderabbit coderabbitai sweepai gpt "
        "chatgpt openai anthropic llm ai agent cody aider qodo ellipsis greptile openhands opencode"
    )
)


def digest() -> str:
    """A hash of all words and weights: a model is of the vocabulary that it was trained with."""
    tables = (
        sorted(WEIGHTS.items()), sorted(NOT_BOTS), sorted(SURNAMES_AT_END.items()),
        sorted(HOLDING_BOT), OF_ONESELF, AT_END, AT_START, sorted(TECHNICAL), sorted(TASKS),
    )  # fmt: skip
    return hashlib.sha256(repr(tables).encode()).hexdigest()
